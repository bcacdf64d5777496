import io

import pytest
import torch

from model import PropagationNetwork
from scripts.downloads.sources import MODELS
from tests.conftest import contents, refused, run_main, run_script
from tests.downloads.http_files import Cut, serving
from tests.golden_weights import fusion_network, s2m_network
from util.errors import InputError
from util.files import sha256

NAME = "propagation_model.pth"
FUSION, S2M = "fusion.pth", "s2m.pth"


@pytest.fixture(scope="module")
def good(weights_file):
    fusion, s2m = (as_bytes(make().state_dict()) for make in (fusion_network, s2m_network))
    return {NAME: weights_file.read_bytes(), FUSION: fusion, S2M: s2m}


@pytest.fixture
def server(good):
    with serving() as server:
        server.files |= good
        yield server


def as_bytes(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    command = ["download_model", "--output", tmp_path / "saves", "--mirror", server.url]

    return lambda *flags: run_main(monkeypatch, *command, *flags)


def test_a_whole_run_writes_weights_and_a_second_run_fetches_nothing(fetch, server, tmp_path, capsys):
    server.faults[NAME] += [Cut(50_000_000)]
    which = ["--which", "s012", "fusion"]
    done = run_script("download_model.py", *which, "--output", tmp_path / "saves", "--mirror", server.url)
    path = tmp_path / "saves" / NAME
    assert contents(path.parent) == {name: server.files[name] for name in (NAME, FUSION)}
    assert f"SHA-256 of {path}: {sha256(path)}" in done.stdout
    server.requests.clear()
    fetch(*which)
    assert server.requests == []
    assert capsys.readouterr().out.count("is there already") == 2


def single_object(good):
    return as_bytes(PropagationNetwork(single_object=True).state_dict())


def joined(good):
    """The beginning of one file and the end of another."""
    half = len(good[FUSION]) // 2
    return good[FUSION][:half] + bytes(1000) + good[FUSION][half + 1000 :]


@pytest.mark.parametrize(
    ("which", "wrong", "reason"),
    [
        ("s012", single_object, "single-object"),
        ("fusion", joined, "is damaged"),
        ("fusion", lambda good: good[NAME], "weights of the propagation network"),
        ("s2m", lambda good: good[NAME], "weights of the propagation network"),
    ],
)
def test_a_wrong_file_is_not_taken(which, wrong, reason, fetch, server, tmp_path):
    server.files[MODELS[which].name] = wrong(server.files)
    with pytest.raises(InputError, match=reason):
        fetch("--which", which)
    assert not (tmp_path / "saves").exists()


def test_a_wrong_file_of_the_user_stays(fetch, server, tmp_path):
    path = tmp_path / "saves" / NAME
    path.parent.mkdir()
    path.write_bytes(b"half of it")
    assert "not a" in refused(fetch)
    assert path.read_bytes() == b"half of it" and server.requests == []


def test_once_ends_at_the_first_failure_with_one_line(fetch, server, tmp_path):
    server.faults[NAME] += [503] * 9
    with pytest.raises(SystemExit) as end:
        fetch("--once")
    assert end.value.code == "The published weights cannot be fetched from here now."
    assert len(server.requests) == 1
