import io
import subprocess
import sys

import pytest
import torch

import download_model
from model import PropagationNetwork
from model.checkpoint import read_fusion, read_s2m
from tests.conftest import run_script
from tests.http_files import Cut, Page, serving
from tests.interactive_networks import fusion_network, s2m_network
from util.errors import InputError
from util.files import sha256

NAME = "propagation_model.pth"
OTHER = "propagation_model_s02.pth"
FUSION, S2M = "fusion.pth", "s2m.pth"
ALL = (FUSION, NAME, OTHER, S2M)


@pytest.fixture(scope="module")
def server(weights_file):
    with serving() as server:
        server.good = weights_file.read_bytes()
        server.fusion, server.s2m = (as_bytes(make().state_dict()) for make in (fusion_network, s2m_network))
        yield server


def as_bytes(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.fixture(autouse=True)
def fresh(server):
    server.files = {NAME: server.good, OTHER: server.good, FUSION: server.fusion, S2M: server.s2m}
    server.requests.clear()
    server.faults.clear()


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    def run(*flags):
        command = ["download_model.py", "--output", tmp_path / "saves", "--mirror", server.url, *flags]
        monkeypatch.setattr(sys, "argv", [str(part) for part in command])
        download_model.main()
        return tmp_path / "saves" / NAME

    return run


def names(path):
    return sorted(entry.name for entry in path.parent.iterdir())


def test_a_whole_run_writes_the_weights_and_their_sum(server, tmp_path, weights_file):
    server.faults[NAME] += [Cut(50_000_000)]
    done = run_script("download_model.py", "--output", tmp_path / "saves", "--mirror", server.url)
    path = tmp_path / "saves" / NAME
    assert path.read_bytes() == server.good
    assert names(path) == [NAME, f"{NAME}.sha256"]
    digest = sha256(weights_file)
    assert f"SHA-256 of {path}: {digest}" in done.stdout
    command = ["sha256sum", "--check", f"{NAME}.sha256"]
    assert subprocess.run(command, cwd=path.parent, capture_output=True).returncode == 0


def test_which_chooses_the_files_and_a_second_run_fetches_nothing(fetch, server):
    path = fetch("--which", "all")
    assert names(path) == sorted([*ALL, *(f"{name}.sha256" for name in ALL)])
    server.requests.clear()
    dates = [path.with_name(name).stat().st_mtime_ns for name in ALL]
    fetch("--which", "all")
    assert server.requests == []
    assert dates == [path.with_name(name).stat().st_mtime_ns for name in ALL]


def test_several_can_be_chosen_and_are_those_of_their_networks(fetch):
    path = fetch("--which", "fusion", "s2m")
    assert names(path) == sorted([FUSION, S2M, f"{FUSION}.sha256", f"{S2M}.sha256"])
    for name, read in ((FUSION, read_fusion), (S2M, read_s2m)):
        state = torch.load(path.with_name(name))
        loaded = read(path.with_name(name)).state_dict()
        assert all(torch.equal(loaded[key], state[key]) for key in state)


@pytest.mark.parametrize("which", [FUSION, S2M])
@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (NAME, "is of the propagation network, which is given as --model: give weights of the"),
        (None, r"does not fit the .* network \(\d+ missing"),
    ],
)
def test_a_file_of_another_network_is_kept_aside(which, other, reason, fetch, server, tmp_path):
    server.files[which] = as_bytes({"a": torch.zeros(2)}) if other is None else server.files[other]
    with pytest.raises(InputError, match=reason):
        fetch("--which", which.removesuffix(".pth"))
    path = tmp_path / "saves" / which
    assert names(path) == [f"{which}.wrong"]
    server.files[which] = server.fusion if which == FUSION else server.s2m
    fetch("--which", which.removesuffix(".pth"))
    assert path.is_file()


def saved(content, path):
    torch.save(content, path)
    return path.read_bytes()


@pytest.fixture(params=["shape", "single object", "names", "truncated", "page"])
def wrong(request, network, server, tmp_path):
    state = dict(network.state_dict())
    if request.param == "shape":
        return saved(state | {"decoder.pred.bias": torch.zeros(2)}, tmp_path / "w"), "mis-shaped"
    if request.param == "single object":
        return saved(PropagationNetwork(single_object=True).state_dict(), tmp_path / "w"), "single-object"
    if request.param == "names":
        return saved({"a": torch.zeros(2)}, tmp_path / "w"), "511 missing"
    if request.param == "truncated":
        return server.good[:1_000_000], "not a whole PyTorch checkpoint|is refused"
    return b"<html>Quota exceeded</html>", "is a web page, not a checkpoint"


def test_a_wrong_file_is_kept_aside(wrong, fetch, server, tmp_path):
    content, reason = wrong
    server.files[NAME] = content
    with pytest.raises(InputError, match=reason):
        fetch()
    path = tmp_path / "saves" / NAME
    assert names(path) == [f"{NAME}.wrong"]
    assert path.with_name(f"{NAME}.wrong").read_bytes() == content


def test_a_good_file_that_is_there_stays_and_gets_its_sum(fetch, server, tmp_path, network):
    path = tmp_path / "saves" / NAME
    path.parent.mkdir()
    own = saved({"network": network.state_dict(), "it": 7}, path)
    fetch()
    assert server.requests == []
    assert path.read_bytes() == own
    assert path.with_name(f"{NAME}.sha256").read_text() == f"{sha256(path)}  {NAME}\n"


def test_a_wrong_file_that_is_there_makes_way_for_the_right_one(fetch, server, tmp_path):
    path = tmp_path / "saves" / NAME
    path.parent.mkdir()
    path.write_bytes(b"half of it")
    fetch()
    assert path.read_bytes() == server.good
    assert path.with_name(f"{NAME}.wrong").read_bytes() == b"half of it"


def test_the_quota_page_names_the_link_and_the_place(fetch, server, tmp_path):
    server.faults[NAME].append(Page("<html><title>Google Drive - Quota exceeded</title></html>"))
    with pytest.raises(InputError) as error:
        fetch()
    for part in ("quota", f"{server.url}/{NAME}", str(tmp_path / "saves" / NAME)):
        assert part in str(error.value)
    assert not (tmp_path / "saves").exists()


def test_once_gives_up_at_the_first_failure_in_one_line(fetch, server, tmp_path):
    server.faults[NAME] += [503] * 9
    with pytest.raises(SystemExit) as end:
        fetch("--once")
    assert end.value.code == "The published weights cannot be fetched from here now."
    assert len(server.requests) == 1
    server.faults.clear()
    assert fetch("--once").read_bytes() == server.good


def test_without_a_mirror_the_files_are_google_drives():
    for file in download_model.MODELS.values():
        identifier = file.url.partition("id=")[2]
        assert file.url.startswith("https://drive.google.com/uc?")
        assert file.page == f"https://drive.google.com/file/d/{identifier}/view"
