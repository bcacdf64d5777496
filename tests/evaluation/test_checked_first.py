"""Errors in frames and masks are found before the network is loaded."""

import re

import cv2
import numpy as np
import pytest
from PIL import Image

from dataset.video_dataset import open_user_video
from tests.conftest import read_png, refused, run_main, write_davis, write_frames, write_labels
from tests.small_data import boxes, noise
from util.errors import InputError

H, W = 48, 64
LABELS = boxes(H, W, {1: np.s_[5:20, 5:25], 2: np.s_[28:44, 30:55]})


@pytest.fixture
def frames(tmp_path):
    write_frames(tmp_path / "frames", noise(6, H, W))
    return tmp_path / "frames"


def davis(root, frames, truth_sizes):
    """A data set of one video, with ground truth of the given (height, width)."""
    truth = [cv2.resize(LABELS, size[::-1], interpolation=cv2.INTER_NEAREST) for size in truth_sizes]
    write_davis(root / "trainval", "v", [read_png(path) for path in sorted(frames.iterdir())], truth)
    return root


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("frame", r"^frames, 00005: a frame is 40 x 30, those before it 64 x 48"),
        ("damage", r"00005\.jpg cannot be read as a picture"),
        ("mask", r"00004\.png is 64 x 40, its frame 64 x 48: give a mask of the frame's size"),
    ],
)
@pytest.mark.usefixtures("unloaded")
def test_bad_frames_and_masks_of_a_user_are_refused(wrong, message, frames, tmp_path, propagate):
    write_labels(tmp_path / "masks/00000.png", LABELS)
    if wrong == "frame":
        Image.new("RGB", (40, 30)).save(frames / "00005.jpg")
    elif wrong == "damage":
        (frames / "00005.jpg").write_bytes(b"text")
    else:
        write_labels(tmp_path / "masks/00004.png", LABELS[:40])
    assert re.search(message, refused(propagate, masks=tmp_path / "masks"))
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("wrong", ["frame", "truth"])
def test_wrong_sizes_in_a_benchmark_are_refused(wrong, frames, tmp_path, monkeypatch):
    if wrong == "frame":
        Image.new("RGB", (40, 30)).save(frames / "00005.jpg")
    root = davis(tmp_path / "davis", frames, [(H, W)] * 4 + [(H, W - 3) if wrong == "truth" else (H, W)])
    flags = ["--davis", root, "--output", tmp_path / "out", "--device", "cpu", "--score"]
    message = r"^v, 00005: a frame is 40 x 30" if wrong == "frame" else r"00004\.png is 61 x 48, its frame 64"
    assert re.search(message, refused(run_main, monkeypatch, "eval_davis", *flags))
    with pytest.raises(InputError, match=message):
        run_main(monkeypatch, "scripts.score_static_masks", "--davis", root, "--output", tmp_path / "static")


def test_narrow_ground_truth_is_resized_with_one_warning(frames, tmp_path, monkeypatch, caplog):
    root = davis(tmp_path / "davis", frames, [(H, W)] + [(H, W - 1)] * 5)
    run_main(monkeypatch, "scripts.score_static_masks", "--davis", root, "--output", tmp_path / "out")
    assert caplog.text.count("resized to the frames") == 1
    assert "is 63 x 48, its frame 64 x 48 (files of another size: 5)" in caplog.text
    mean = (tmp_path / "out/results.csv").read_text().splitlines()[1].split(",")
    assert float(mean[3]) > 90  # J: a column in 20 or 25 moves by a pixel


@pytest.mark.parametrize(
    ("name", "flags", "expected"),
    [
        ("3", {}, "00003"),
        ("first", {"start": 2}, "00002"),
        ("mask1", {"start": 2}, "00002"),
        ("00000", {"start": 2}, r"belongs to no chosen frame \(masks without a chosen frame: 1\)"),
        ("6", {}, "6.png is not named after a frame"),
    ],
)
def test_the_name_of_a_single_mask(name, flags, expected, frames, tmp_path):
    write_labels(tmp_path / f"{name}.png", LABELS)
    if expected.isdecimal():
        video = open_user_video(frames, tmp_path / f"{name}.png", short_side=480, **flags).forward
        assert video.frames.names[0] == expected
    else:
        with pytest.raises(InputError, match=expected):
            open_user_video(frames, tmp_path / f"{name}.png", short_side=480, **flags)


@pytest.mark.usefixtures("frames", "preloaded")
def test_an_object_that_vanishes_at_working_size_is_named(tmp_path, propagate, caplog):
    labels = LABELS.copy()
    labels[1:3, 61:63] = 7
    write_labels(tmp_path / "m.png", labels)
    propagate("--size", 12)
    assert "no pixel is left of object 7 (4 px) when frames are reduced to 16 x 12" in caplog.text
    assert "is empty" not in caplog.text
    assert read_png(tmp_path / "out/00001.png").shape == (H, W)
    caplog.clear()
    propagate("--overwrite")
    assert "object 7" not in caplog.text
    assert np.array_equal(read_png(tmp_path / "out/00000.png"), labels)
