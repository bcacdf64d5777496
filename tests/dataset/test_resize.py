import os
import signal
import time

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from dataset.video import working_size
from scripts.resizing.shrinking import Job, bicubic, read_bgr, run_job
from tests import forked_runs
from tests.conftest import ROOT, contents, run_main
from tests.dataset.recipe_statistics import RECIPE
from util.errors import InputError
from util.files import HOST
from util.palette import voc_palette


def photo(height: int, width: int) -> Image.Image:
    return Image.fromarray(skimage.data.coffee()).resize((width, height), Image.Resampling.BICUBIC)


def by_pillow(path, size) -> np.ndarray:
    """Decode at full size and resize by Pillow's bicubic filter."""
    with Image.open(path) as image:
        resized = image.convert("RGB").resize(size[::-1], Image.Resampling.BICUBIC)
    return np.asarray(resized).astype(np.int16)


@pytest.mark.parametrize("row", RECIPE["sizes"]["rows"], ids=lambda row: f"{row['w']}x{row['h']}")
def test_sizes_are_those_of_the_original_scripts(row):
    size = row["h"], row["w"]
    assert list(working_size(size, 480)) == row["evaluation_480"][::-1] == row["script_480"][::-1]
    assert list(working_size(size, 384)) == row["static_script_384"][::-1]


def test_pictures_are_resized_as_by_pillow(tmp_path):
    path = tmp_path / "x.jpg"
    photo(720, 1280).save(path, quality=95)
    size = working_size((720, 1280), 480)
    ours = bicubic(read_bgr(path), size)[:, :, ::-1].astype(np.int16)
    assert np.abs(ours - by_pillow(path, size)).mean() < 0.05


def palette_image(labels) -> Image.Image:
    image = Image.fromarray(labels)
    image.putpalette(voc_palette())
    return image


def test_masks_keep_labels_palette_and_the_size_of_their_frame(tmp_path):
    labels = np.zeros((720, 1279), np.uint8)  # a pixel narrower than its frame
    labels[100:400, 200:900] = 3
    labels[300:600, 700:1200] = 200
    palette_image(labels).save(tmp_path / "m.png")
    photo(720, 1280).save(tmp_path / "f.jpg")
    job = Job(tmp_path / "m.png", tmp_path / "out.png", like=tmp_path / "f.jpg")
    assert run_job(job, 480) is None
    with Image.open(tmp_path / "out.png") as result:
        assert (result.mode, result.size) == ("P", (853, 480))
        assert result.getpalette("RGB") == voc_palette()
        small = np.asarray(result)
    rows = ((np.arange(480) + 0.5) * 720 / 480).astype(int)  # centre of each new pixel
    columns = ((np.arange(853) + 0.5) * 1279 / 853).astype(int)
    assert np.array_equal(small, labels[np.ix_(rows, columns)])
    assert set(np.unique(small)) == {0, 3, 200}


@pytest.fixture
def youtube(tmp_path):
    """Two videos, one with masks on some frames; large enough to interrupt a run."""
    for video, count in (("aa", 12), ("bb", 2)):
        (tmp_path / f"train/JPEGImages/{video}").mkdir(parents=True)
        (tmp_path / f"train/Annotations/{video}").mkdir(parents=True)
        picture = photo(720, 1280)
        for index in range(count):
            picture.save(tmp_path / f"train/JPEGImages/{video}/{index:05}.jpg")
        labels = np.zeros((720, 1280), np.uint8)
        labels[:300, :300] = 5
        for index in range(0, count, 5):
            palette_image(labels).save(tmp_path / f"train/Annotations/{video}/{index:05}.png")
    return tmp_path


@pytest.mark.slow
def test_resize_youtube_stopped_and_run_again(youtube, monkeypatch):
    command, log = ["scripts.resize_youtube", youtube / "train", youtube / "small"], youtube / "log"
    process = forked_runs.start(ROOT, log, *command, "--workers", "1")
    while not list(youtube.glob("small/JPEGImages/aa/[0-9]*.jpg")):
        time.sleep(0.001)
    os.killpg(process, signal.SIGINT)
    assert forked_runs.wait(process, 60) in (130, -signal.SIGINT)
    assert "Traceback" not in log.read_text()
    before = {path: path.stat().st_mtime_ns for path in (youtube / "small").rglob("*.jpg")}
    assert 0 < len(before) < 14
    assert all(Image.open(path).size == (853, 480) for path in before)
    leftover = youtube / f"small/JPEGImages/aa/.00001.{HOST}.99999999.part.jpg"  # of a run that was killed
    leftover.touch()
    os.utime(leftover, (0, 0))

    run_main(monkeypatch, *command, "--workers", 2)
    assert all(path.stat().st_mtime_ns == date for path, date in before.items())
    assert contents(youtube / "small").keys() == contents(youtube / "train").keys()
    for path in (youtube / "small").rglob("*.*"):
        assert Image.open(path).size == (853, 480)


def test_resize_length_keeps_names_averages_as_opencv_does_and_reports_damage(tmp_path, monkeypatch):
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    photo(700, 900).save(source / "a.jpg")
    photo(700, 900).save(source / "deep/b.png")
    palette_image(np.eye(700, 900, dtype=np.uint8)).save(source / "p.png")
    mask = np.zeros((700, 900), np.uint8)
    mask[100:333, 200:555] = 255
    Image.fromarray(mask).save(source / "grey.png")
    (source / "notes.txt").write_text("no picture")
    (source / "bad.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"^1 of 5 failed(.|\n)*bad\.jpg"):
        run_main(monkeypatch, "scripts.resize_length", source, out, "--workers", 1)
    assert sorted(contents(out)) == ["a.jpg", "deep/b.png", "grey.png", "p.png"]
    for name in ("deep/b.png", "grey.png"):
        expected = cv2.resize(cv2.imread(str(source / name)), (493, 384), interpolation=cv2.INTER_AREA)
        assert np.array_equal(cv2.imread(str(out / name)), expected)
    assert [Image.open(out / name).mode for name in ("grey.png", "p.png")] == ["L", "P"]
    assert len(np.unique(expected)) > 2  # soft borders
