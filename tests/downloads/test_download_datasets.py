import importlib
import io
import sys
from contextlib import nullcontext
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from scripts.downloads.installation import unpack
from tests.conftest import contents, run_main, run_script
from tests.downloads.http_files import serving, tarred, zipped
from util.errors import InputError

# Each evaluation script and the videos that the fake archives hold for it.
FINDERS = {
    "eval_davis_2016": ["cows"],
    "eval_davis": ["bike-packing"],
    "eval_youtube": ["0062f687f1"],
}


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((16, 24, 3), 90, np.uint8)).save(out, "jpeg")
    return out.getvalue()


def png() -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(np.eye(16, 24, dtype=np.uint8))
    image.putpalette([0, 0, 0, 128, 0, 0])
    image.save(out, "png")
    return out.getvalue()


JPG, PNG = jpeg(), png()


def frames(video: str, masks: int = 2, sub: str = "") -> dict[str, bytes]:
    """Two frames of a video and the first of their masks."""
    files = {f"JPEGImages{sub}/{video}/{i:05}.jpg": JPG for i in range(2)}
    return files | {f"Annotations{sub}/{video}/{i:05}.png": PNG for i in range(masks)}


def below(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


DAVIS_2016 = frames("cows", sub="/480p") | {
    "ImageSets/480p/val.txt": b"/JPEGImages/480p/cows/00000.jpg /Annotations/480p/cows/00000.png\n"
}
TRAINVAL = frames("bike-packing", sub="/480p") | {"ImageSets/2017/val.txt": b"bike-packing\n", "README": b""}
TEST_DEV = frames("aerobatics", 1, sub="/480p") | {"ImageSets/2017/test-dev.txt": b"aerobatics\n"}
STATIC = {
    f"{folder}/x.{suffix}": content
    for folder in ("BIG_small", "DUTS-TE", "DUTS-TR", "HRSOD_small", "ecssd", "fss/abacus")
    for suffix, content in (("jpg", JPG), ("png", PNG))
}
FUSION = {f"{kind}/run/video/00000/00001/{i:05}.png": PNG for kind in ("bl", "davis") for i in range(2)}
ALL = "valid_all_frames"

# Each archive: the folder that wraps its files, their place in the data tree, and the files.
ARCHIVES = {
    "DAVIS-2016.zip": ("DAVIS", "DAVIS/2016", DAVIS_2016),
    "DAVIS-2017-trainval-480p.zip": ("DAVIS", "DAVIS/2017/trainval", TRAINVAL),
    "DAVIS-2017-scribbles-trainval.zip": ("DAVIS", "DAVIS/2017/trainval", {"Scribbles/bear/001.json": b"{}"}),
    "DAVIS-2017-test-dev-480p.zip": ("DAVIS", "DAVIS/2017/test-dev", TEST_DEV),
    "static_data.zip": ("static", "static", STATIC),
    "YouTubeVOS-2019-train.zip": ("train", "YouTube/train", frames("003234408d")),
    "YouTubeVOS-2019-valid.zip": ("valid", "YouTube/valid", frames("0062f687f1", 1) | {"meta.json": b"{}"}),
    "YouTubeVOS-2019-valid-all-frames.zip": (ALL, f"YouTube/all_frames/{ALL}", frames("0062f687f1", 0)),
    "YouTubeVOS-2018-valid.zip": ("valid", "YouTube2018/valid", frames("00f88c4f0a", 1)),
    "YouTubeVOS-2018-valid-all-frames.zip": (ALL, f"YouTube2018/all_frames/{ALL}", frames("00f88c4f0a", 0)),
    "fusion_data.zip": ("fusion_data", "fusion_data", FUSION),
}
PACKED = {name: below(wrapper, files) for name, (wrapper, _, files) in ARCHIVES.items()}
TREE = {name: data for _, place, files in ARCHIVES.values() for name, data in below(place, files).items()}


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
    dates = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    fetch()
    assert "Nothing to do" in capsys.readouterr().out
    assert server.requests == []
    assert dates == {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def test_the_evaluation_scripts_find_their_data(fetch, root, monkeypatch):
    fetch("--only", "davis16", "davis17", "youtube")
    (root / "project").mkdir()
    monkeypatch.chdir(root / "project")
    for script, expected in FINDERS.items():
        monkeypatch.setattr(sys, "argv", [script, "--output", "out"])
        module, found = importlib.import_module(script), Mock()
        monkeypatch.setattr(module, "evaluate", found)
        module.main()
        videos = list(found.call_args.args[0])
        assert [video.name for video in videos] == expected
        assert all(len(video) == 2 and video.read(0).mask is not None for video in videos)


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


BAD = {
    "another archive": lambda good: zipped({"static/fss/x": b"x"}),
    "damaged": lambda good: good.replace(JPG, JPG[::-1]),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_archive_is_named(bad, fetch, root, server, caplog):
    good = server.files["static_data.zip"]
    server.files["static_data.zip"] = BAD[bad](good)
    with pytest.raises(InputError, match="1 of 1 are missing"):
        fetch("--only", "static")
    packed = root / "downloads/static_data.zip"
    assert f"{packed} is " in caplog.text and "remove it" in caplog.text
    assert sorted(path.name for path in root.iterdir()) == ["DAVIS", "downloads"]
    packed.unlink()
    server.files["static_data.zip"] = good
    fetch("--only", "static")
    assert contents(root) == OTHERS | below("static", STATIC)


def test_an_incomplete_folder_is_completed_and_its_files_stay(fetch, root):
    there = "static/ecssd/0001.jpg"
    (root / there).parent.mkdir(parents=True)
    (root / there).write_bytes(b"mine")
    fetch("--only", "static")
    assert contents(root) == OTHERS | below("static", STATIC) | {there: b"mine"}


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
    with pytest.raises(InputError, match="evil"):
        unpack(path, tmp_path / "in/out")
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
        ("a.zip", b"", "is no whole"),
        ("a.zip", PAGE, "web page"),
        ("a.tar", PAGE, "web page"),
    ],
)
def test_a_cut_archive_and_a_web_page_are_refused(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        unpack(tmp_path / name, tmp_path / "out")
