"""Results that cannot be written, would replace what is read, or are written by two runs at once."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from dataset.video_files.frame_source import PictureFiles
from model.checkpoint import load_file, save_checkpoint
from scripts.evaluation.overlays import write_contact_sheet, write_overlay
from scripts.evaluation.run_record import Run, begin_run
from tests.conftest import largest_file, read_png, run_main, write_frames, write_labels
from util.errors import InputError, explained, run_script
from util.lock import LOCK_FILE, exclusive
from util.settings_record import SETTINGS_FILE, record_settings

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3), np.uint8)
LABELS = np.zeros((32, 48), np.uint8)
LABELS[4:20, 4:30] = 1


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def data(tmp_path):
    """Frames, a mask, a folder of masks, and the same as DAVIS 2016 with its annotations."""
    for folder in ("frames", "JPEGImages/480p/v"):
        write_frames(tmp_path / "data" / folder, FRAMES)
    for mask in ("m.png", "masks/00000.png", "Annotations/480p/v/00000.png"):
        write_labels(tmp_path / "data" / mask, LABELS)
    return tmp_path / "data"


@pytest.fixture
def propagate(data, tmp_path, network, weights_file, monkeypatch):
    """Run the script as a user does, but with a network that is loaded already."""
    monkeypatch.setattr("scripts.propagate_video.load_network", lambda *_: network)
    given = {"--input": data / "frames", "--masks": data / "m.png", "--output": tmp_path / "out"}
    given["--model"] = weights_file

    def run(changed):
        flags = [part for flag in (given | changed).items() for part in flag]
        run_script(lambda: run_main(monkeypatch, "scripts.propagate_video", *flags))

    return run


@pytest.fixture
def refused(propagate):
    """Run as `propagate` does, and return the one sentence that it ends with."""

    def run(changed):
        with pytest.raises(SystemExit) as end:
            propagate(changed)
        assert isinstance(end.value.code, str)  # which Python prints on stderr, with exit status 1
        assert end.value.code.startswith("error: ")
        assert "\n" not in end.value.code
        return end.value.code

    return run


@pytest.mark.parametrize(
    ("flag", "place", "message"),
    [
        ("--output", "frames", "is where the frames or masks are read: give another --output"),
        ("--output", ".", "is where the frames or masks are read: give another --output"),
        ("--output", "m.png", "a file is in the way of a folder: give another place"),
        ("--output", "m.png/deep", "a file is in the way of a folder: give another place"),
        ("--masks", "frames/00000.jpg", "is a JPEG"),
        ("--contact_sheet", "frames/new.jpg", "is or lies in --input or --masks: give another place"),
        ("--contact_sheet", "m.png", "is or lies in --input or --masks: give another place"),
    ],
)
def test_what_is_read_is_never_written(flag, place, message, refused, data):
    before = contents(data)
    assert message in refused({flag: data / place})
    assert contents(data) == before


def test_benchmarks_do_not_write_over_their_annotations_or_two_at_once(data, network, monkeypatch, tmp_path):
    monkeypatch.setattr("scripts.evaluation.loop.load_network", lambda *_: network)
    before = contents(data)
    for folder in ("Annotations/480p", "JPEGImages/480p"):
        with pytest.raises(InputError, match="is where the frames or masks are read"):
            run_main(monkeypatch, "eval_davis_2016", "--davis", data, "--output", data / folder)
    out = tmp_path / "out"
    with exclusive(out, "evaluation"), pytest.raises(InputError, match="another evaluation is at work in"):
        run_main(monkeypatch, "eval_davis_2016", "--davis", data, "--output", out, "--device", "cpu")
    assert contents(data) == before
    assert not out.exists()


def test_masks_below_the_frames_are_not_read_as_frames(propagate, data):
    below = data / "frames/masks.png"
    for _ in range(2):
        propagate({"--output": below})
        assert sorted(path.name for path in below.glob("[!.]*")) == [f"{i:05}.png" for i in range(3)]
        assert np.array_equal(read_png(below / "00000.png"), LABELS)


@pytest.mark.parametrize(("flag", "name"), [("--overlay", "film.txt"), ("--contact_sheet", "sheet.pdf")])
def test_formats_are_checked_before_the_work(flag, name, propagate, tmp_path, capsys):
    with pytest.raises(SystemExit):
        propagate({flag: tmp_path / name})
    assert f"argument {flag}: {tmp_path / name} does not end in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [0, 60])
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(size, refused, tmp_path):
    with largest_file(size):
        assert "free disk space, then run the same command again" in refused({})
    assert not list((tmp_path / "out").glob("*"))


def test_a_place_where_nothing_may_be_written_is_one_sentence(refused):
    # there not even root makes a folder
    assert "give another place, or the right to read and write there" in refused({"--output": "/sys/masks"})


def test_films_and_sheets_are_whole_or_not_there(data, tmp_path):
    frames = PictureFiles([data / f"frames/{index:05}.jpg" for index in range(3)])
    for write, name in ((write_overlay, "film.mp4"), (write_contact_sheet, "sheet.jpg")):
        write(frames, data / "masks", None, tmp_path / name)
        before = contents(tmp_path)
        with largest_file(300), pytest.raises(OSError, match=r"could not be written whole|too large"):
            write(frames, data / "masks", None, tmp_path / name)
        assert contents(tmp_path) == before


def test_a_checkpoint_that_finds_no_room_leaves_the_last_one(tmp_path):
    save_checkpoint({"it": 1}, tmp_path / "c.pth")
    with largest_file(10_000), pytest.raises(OSError, match=r"c\.pth could not be written"):
        save_checkpoint({"it": 2, "network": torch.zeros(100_000)}, tmp_path / "c.pth")
    assert load_file(tmp_path / "c.pth") == {"it": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["c.pth"]


def test_the_second_of_two_runs_is_refused(refused, propagate, tmp_path):
    out = tmp_path / "out"
    with exclusive(out, "run"):
        assert f"another run is at work in {out}: wait until it has ended" in refused({})
        assert [path.name for path in out.iterdir()] == [LOCK_FILE]
    assert not out.exists()
    out.mkdir()
    (out / LOCK_FILE).touch()  # of a run that was killed: the lock ended with it
    propagate({})
    assert len(list(out.glob("[!.]*"))) == 3


def test_a_folder_without_locks_is_a_warning(tmp_path, monkeypatch, caplog):
    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    with exclusive(tmp_path / "out", "run"):
        pass
    assert "cannot be locked" in caplog.text


def test_a_set_of_other_data_is_not_added_to(tmp_path, monkeypatch):
    run = ["scripts.make_synthetic_dataset", "--videos", 1]
    write_frames(tmp_path / "bl/JPEGImages/000001", FRAMES)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="holds another data set: give another --output"):
        run_main(monkeypatch, *run, "--output", tmp_path / "bl")
    with pytest.raises(InputError, match="lies in --pictures"):
        run_main(monkeypatch, *run, "--output", tmp_path / "bl/new", "--pictures", tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("script", ["resize_youtube", "resize_length"])
def test_resizing_in_place_is_refused(script, data, monkeypatch):
    write_labels(data / "JPEGImages/480p/00000.png", LABELS)
    before = contents(data)
    flags = ["--input", data, "--output", data] if script == "resize_youtube" else [data, data.parent]
    with pytest.raises(InputError, match="give a folder apart for the results"):
        run_main(monkeypatch, f"scripts.{script}", *flags)
    assert contents(data) == before


def test_damaged_settings_are_named(tmp_path):
    for content in ("", "[1]"):
        (tmp_path / SETTINGS_FILE).write_text(content)
        with pytest.raises(InputError, match=r"\.settings\.json is damaged: give another"):
            record_settings(tmp_path, {"top_k": 50}, "give another --output.")
    run = Run(tmp_path, {"script": "s"}, [])
    with pytest.raises(InputError, match=r"\.settings\.json is damaged: give another"):
        begin_run(run, overwrite=False)
    begin_run(run, overwrite=True)
    begin_run(run, overwrite=False)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EROFS, "or the right to"),
        (errno.ENOSPC, "free disk space"),
        (errno.ENOTDIR, "in the way"),
        (errno.EIO, ""),
    ],
)
def test_what_the_system_refuses_is_explained(number, advice):
    error = OSError(number, os.strerror(number), str(Path("out/00000.png")))
    assert explained(error).startswith(f"out/00000.png: {os.strerror(number)}")
    assert advice in explained(error)
    assert explained(OSError("a sentence.")) == "a sentence."
