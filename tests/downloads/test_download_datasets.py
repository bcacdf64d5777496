import importlib
import io
import shutil
import sys
import zipfile
from collections import Counter
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from scripts.downloads.sources import DATA_SETS
from tests.conftest import run_main, run_script
from tests.downloads.http_files import serving
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


def frames(root: str, video: str, masks: int = 2, sub: str = "") -> dict[str, bytes]:
    """Two frames of a video and the first of their masks."""
    files = {f"{root}/JPEGImages{sub}/{video}/{i:05}.jpg": JPG for i in range(2)}
    return files | {f"{root}/Annotations{sub}/{video}/{i:05}.png": PNG for i in range(masks)}


STATIC = {
    f"{folder}/x.{suffix}": content
    for folder in ("BIG_small", "DUTS-TE", "DUTS-TR", "HRSOD_small", "ecssd", "fss/abacus")
    for suffix, content in (("jpg", JPG), ("png", PNG))
}

# The archives, wrapped in folders as the published ones are.
PACKED = {
    "DAVIS-2016.zip": frames("DAVIS", "cows", sub="/480p")
    | {"DAVIS/ImageSets/480p/val.txt": b"/JPEGImages/480p/cows/00000.jpg /Annotations/480p/cows/00000.png\n"},
    "DAVIS-2017-trainval-480p.zip": frames("DAVIS", "bike-packing", sub="/480p")
    | {"DAVIS/ImageSets/2017/val.txt": b"bike-packing\n", "DAVIS/README.md": b"read me"},
    "DAVIS-2017-test-dev-480p.zip": frames("DAVIS", "aerobatics", 1, sub="/480p")
    | {"DAVIS/ImageSets/2017/test-dev.txt": b"aerobatics\n"},
    "DAVIS-2017-scribbles-trainval.zip": {
        f"DAVIS/Scribbles/{video}/001.json": b"{}" for video in ("bear", "blackswan")
    },
    "static_data.zip": {f"static/{name}": content for name, content in STATIC.items()},
    "YouTubeVOS-2019-train.zip": frames("train", "003234408d") | {"train/meta.json": b"{}"},
    "YouTubeVOS-2019-valid.zip": frames("valid", "0062f687f1", 1) | {"valid/meta.json": b"{}"},
    "YouTubeVOS-2019-valid-all-frames.zip": frames("valid_all_frames", "0062f687f1", 0),
    "YouTubeVOS-2018-valid.zip": frames("valid", "00f88c4f0a", 1),
    "YouTubeVOS-2018-valid-all-frames.zip": frames("valid_all_frames", "00f88c4f0a", 0),
    "fusion_data.zip": {
        f"fusion_data/{kind}/run/video/00000/00001/{i:05}.png": PNG
        for kind in ("bl", "davis")
        for i in range(2)
    },
}


def below(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files in `folder` instead of the first folder of their paths."""
    return {f"{folder}/{name.split('/', 1)[1]}": content for name, content in files.items()}


# SPEC's data tree
TREE = {
    **below("DAVIS/2016", PACKED["DAVIS-2016.zip"]),
    **below("DAVIS/2017/trainval", PACKED["DAVIS-2017-trainval-480p.zip"]),
    **below("DAVIS/2017/trainval", PACKED["DAVIS-2017-scribbles-trainval.zip"]),
    **below("DAVIS/2017/test-dev", PACKED["DAVIS-2017-test-dev-480p.zip"]),
    **below("static", PACKED["static_data.zip"]),
    **below("YouTube/train", PACKED["YouTubeVOS-2019-train.zip"]),
    **below("YouTube/valid", PACKED["YouTubeVOS-2019-valid.zip"]),
    **below("YouTube/all_frames/valid_all_frames", PACKED["YouTubeVOS-2019-valid-all-frames.zip"]),
    **below("YouTube2018/valid", PACKED["YouTubeVOS-2018-valid.zip"]),
    **below("YouTube2018/all_frames/valid_all_frames", PACKED["YouTubeVOS-2018-valid-all-frames.zip"]),
    **below("fusion_data", PACKED["fusion_data.zip"]),
}


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tree(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def server():
    with serving() as server:
        server.files |= {name: zipped(files) for name, files in PACKED.items()}
        yield server


@pytest.fixture
def root(tmp_path):
    """A data tree where other things live already."""
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


def test_the_fake_archives_stand_for_all_sources():
    archives = [archive for data_set in DATA_SETS.values() for archive in data_set.archives]
    assert sorted(PACKED) == sorted(archive.name for archive in archives)
    assert max(Counter(archive.target for archive in archives).values()) == 1
    assert max(Counter(archive.url for archive in archives).values()) == 1


def test_a_whole_run_gives_the_data_tree_and_a_second_does_nothing(server, fetch, root, capsys):
    (root / ".static.unpacking/static/fss").mkdir(parents=True)  # of a run that was killed while it unpacked
    done = run_script("download_datasets.py", "--root", root, "--mirror", server.url, "--yes")
    assert tree(root) == TREE | OTHERS
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


@pytest.mark.parametrize("script", FINDERS)
def test_the_evaluation_scripts_find_their_data(script, fetch, root, monkeypatch):
    fetch()
    (root / "project").mkdir()
    monkeypatch.chdir(root / "project")
    monkeypatch.setattr(sys, "argv", [script, "--output", "out"])
    found = []
    module = importlib.import_module(script)
    monkeypatch.setattr(module, "evaluate", lambda videos, args, **protocol: found.extend(videos))
    module.main()
    assert [video.name for video in found] == FINDERS[script]
    assert all(len(video) == 2 and video.read(0).mask is not None for video in found)


def test_only_what_is_asked_for_is_fetched(fetch, root, server):
    fetch("--only", "davis16", "--keep")
    assert {path for path, _ in server.requests} == {"/DAVIS-2016.zip"}
    kept = {"downloads/DAVIS-2016.zip": server.files["DAVIS-2016.zip"]}
    assert tree(root) == OTHERS | below("DAVIS/2016", PACKED["DAVIS-2016.zip"]) | kept


def test_one_failure_does_not_stop_the_others(fetch, root, server, caplog):
    server.faults["DAVIS-2017-trainval-480p.zip"].append(404)
    with pytest.raises(InputError, match=r"1 of 4 are missing \(DAVIS-2017-trainval-480p.zip\)"):
        fetch("--only", "davis17", "davis16")
    assert f"save the file as {root / 'downloads/DAVIS-2017-trainval-480p.zip'}" in caplog.text
    assert (root / "DAVIS/2017/test-dev/JPEGImages").is_dir()
    assert [path.name for path in (root / "DAVIS/2017/trainval").iterdir()] == ["Scribbles"]
    fetch("--only", "davis17", "davis16")  # the next run completes it
    assert tree(root) == OTHERS | {name: data for name, data in TREE.items() if name.startswith("DAVIS")}


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
    assert tree(root) == OTHERS | below("static", PACKED["static_data.zip"])


def test_a_folder_that_is_not_complete_is_completed_and_what_is_there_stays(fetch, root):
    there = "static/ecssd/0001.jpg"
    (root / there).parent.mkdir(parents=True)
    (root / there).write_bytes(b"mine")
    fetch("--only", "static")
    assert tree(root) == OTHERS | below("static", PACKED["static_data.zip"]) | {there: b"mine"}


def test_too_little_space_stops_it_before_it_unpacks(fetch, root, server, monkeypatch, caplog):
    (root / "downloads").mkdir()
    (root / "downloads/static_data.zip").write_bytes(server.files["static_data.zip"])
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(InputError):
        fetch("--only", "static")
    assert "free disk space" in caplog.text
    assert not list(root.glob("*static*"))


@pytest.mark.parametrize(
    ("answer", "message"), [("y", None), ("", "not agreed"), (None, "no terminal .* --yes")]
)
def test_the_terms_are_shown_and_nothing_is_downloaded_unless_the_user_agrees(
    answer, message, server, root, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{answer}\n"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: answer is not None)
    command = ["download_datasets", "--root", root, "--mirror", server.url, "--only", "davis16"]
    with pytest.raises(InputError, match=message) if message else nullcontext():
        run_main(monkeypatch, *command)
    assert "CC BY 4.0" in capsys.readouterr().out
    assert (root / "DAVIS/2016").is_dir() == bool(server.requests) == (message is None)
