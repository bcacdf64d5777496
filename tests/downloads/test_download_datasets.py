import io
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from scripts.downloads.installation import unpack
from scripts.downloads.sources import ARCHIVES
from tests.conftest import contents, refused, run_main, run_script
from tests.downloads.http_files import serving, tarred, zipped
from util.data_roots import DAVIS_2016, DAVIS_2017, DEFAULT_ROOTS, YOUTUBE
from util.errors import InputError


def below(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}{name}": content for name, content in files.items()}


# Fake archives have the folders of the real ones, in no, one or two other folders, and a file in each.
FILES = {each.name: {f"{name}/x": f"it is {name}".encode() for name in each.contains} for each in ARCHIVES}
PACKED = {
    name: below(("", "a/", "a/b/")[number % 3], files) for number, (name, files) in enumerate(FILES.items())
}
INSTALLED = {each.name: below(f"{each.target}/", FILES[each.name]) for each in ARCHIVES}
TREE = {path: data for files in INSTALLED.values() for path, data in files.items()}
STATIC = INSTALLED["static_data.zip"]


@pytest.fixture
def server():
    with serving() as server:
        server.files |= {name: zipped(files) for name, files in PACKED.items()}
        yield server


@pytest.fixture
def root(tmp_path):
    """A data tree that holds another file already."""
    (tmp_path / "root/DAVIS").mkdir(parents=True)
    (tmp_path / "root/DAVIS/notes.txt").write_text("mine")
    return tmp_path / "root"


OTHERS = {"DAVIS/notes.txt": b"mine"}


@pytest.fixture
def fetch(server, root, monkeypatch):
    """Run the script within this process."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    command = ["download_datasets", "--root", root, "--mirror", server.url, "--yes"]
    return lambda *flags: run_main(monkeypatch, *command, *flags)


def test_a_whole_run_gives_the_data_tree_and_a_second_does_nothing(server, fetch, root, capsys):
    (root / ".static.unpacking/static/fss").mkdir(parents=True)  # of a run that was killed while it unpacked
    done = run_script("download_datasets.py", "--root", root, "--mirror", server.url, "--yes")
    assert contents(root) == TREE | OTHERS
    assert sorted(path.name for path in root.iterdir()) == sorted({name.split("/")[0] for name in TREE})
    for part in ("DAVIS-2016.zip", "Unpacking", "100%"):
        assert part in done.stderr, done.stderr
    assert "non-commercial" in done.stdout

    server.requests.clear()
    fetch()
    assert "Nothing to do" in capsys.readouterr().out
    assert server.requests == []


def test_data_sets_are_where_the_scripts_look_for_them():
    targets = {Path("..") / each.target for each in ARCHIVES}
    roots = {DAVIS_2016, DAVIS_2017 / "trainval", YOUTUBE / "train", YOUTUBE / "valid"}
    assert targets >= roots | {Path(DEFAULT_ROOTS[name]) for name in ("static_root", "fusion_root")}


def test_one_failure_does_not_stop_the_others(fetch, root, server, caplog):
    server.faults["DAVIS-2017-trainval-480p.zip"].append(404)
    with pytest.raises(InputError, match=r"1 of 4 are missing \(DAVIS-2017-trainval-480p.zip\)"):
        fetch("--only", "davis17", "davis16")
    assert f"save the file as {root / 'downloads/DAVIS-2017-trainval-480p.zip'}" in caplog.text
    assert (root / "DAVIS/2017/test-dev/JPEGImages").is_dir()
    assert [path.name for path in (root / "DAVIS/2017/trainval").iterdir()] == ["Scribbles"]
    server.requests.clear()
    fetch("--only", "davis17", "davis16", "--keep")  # the next run completes it
    assert {path for path, _ in server.requests} == {"/DAVIS-2017-trainval-480p.zip"}
    kept = {"downloads/DAVIS-2017-trainval-480p.zip": server.files["DAVIS-2017-trainval-480p.zip"]}
    tree = {name: data for name, data in TREE.items() if name.startswith("DAVIS")}
    assert contents(root) == OTHERS | tree | kept


@pytest.mark.parametrize("bad", ["another archive", "damaged"])
def test_a_bad_archive_is_named(bad, fetch, root, server, caplog):
    good = server.files["static_data.zip"]
    other = zipped({"static/fss/x": b"x"})
    server.files["static_data.zip"] = (
        other if bad == "another archive" else good.replace(b"it is ecssd", b"it is wrong")
    )
    assert "1 of 1 are missing" in refused(fetch, "--only", "static")
    packed = root / "downloads/static_data.zip"
    assert f"{packed} is " in caplog.text and "remove it" in caplog.text
    assert sorted(path.name for path in root.iterdir()) == ["DAVIS", "downloads"]


def test_an_incomplete_folder_is_completed_and_its_files_stay(fetch, root):
    there = "static/ecssd/mine"
    (root / there).parent.mkdir(parents=True)
    (root / there).write_bytes(b"mine")
    fetch("--only", "static")
    assert contents(root) == OTHERS | STATIC | {there: b"mine"}


@pytest.mark.parametrize(
    ("answer", "message"), [("y", None), ("", "not agreed"), (None, "no terminal .* --yes")]
)
def test_nothing_is_downloaded_unless_the_user_agrees_to_the_terms(
    answer, message, server, root, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{answer}\n"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: answer is not None)
    command = ["download_datasets", "--root", root, "--mirror", server.url, "--only", "davis16"]
    with pytest.raises(InputError, match=message) if message else nullcontext():
        run_main(monkeypatch, *command)
    assert "CC BY 4.0" in capsys.readouterr().out
    assert (root / "DAVIS/2016").is_dir() == bool(server.requests) == (message is None)


def test_no_entry_of_an_archive_leaves_the_folder(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(tarred({"../evil": b"2"}))
    assert "evil" in refused(unpack, path, tmp_path / "in/out")
    assert contents(tmp_path).keys() == {"a.tar"}
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"x/../../evil": b"1", "/evil-of-a-zip": b"2"}))
    unpack(path, tmp_path / "in/out")
    assert contents(tmp_path / "in/out").keys() == {"x/evil", "evil-of-a-zip"}


PAGE = b"<!DOCTYPE html><html>Quota exceeded</html>" * 100


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.zip", zipped(STATIC)[:-300], "is no whole"),
        ("a.zip", PAGE, "web page"),
        ("a.tar", PAGE, "web page"),
    ],
)
def test_a_cut_archive_and_a_web_page_are_refused(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        unpack(tmp_path / name, tmp_path / "out")
