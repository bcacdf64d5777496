"""Masks as people make them, and videos of unlucky sizes, through the command line."""

import numpy as np
import pytest
from PIL import Image

from dataset.davis_test_dataset import davis_2016, davis_2017
from dataset.masks.readers import read_label_map, read_merged
from dataset.video_dataset import open_user_video
from tests.conftest import read_png, run_main, write_frames, write_labels
from util.errors import InputError

LABELS = np.zeros((32, 48), np.uint8)
LABELS[4:12, 4:20], LABELS[16:28, 20:40], LABELS[30:] = 1, 2, 255
OBJECTS = np.where(LABELS == 255, 0, LABELS)


@pytest.fixture
def frames(tmp_path):
    """A folder of three frames, 32 x 48."""
    random = np.random.default_rng(0)
    write_frames(tmp_path / "frames", random.integers(0, 256, (3, 32, 48, 3), np.uint8))
    return tmp_path / "frames"


@pytest.fixture
def propagate(tmp_path, preloaded, monkeypatch):
    """Run the script's main in this process, with a network that is loaded already."""

    def run(*flags):
        run_main(monkeypatch, "scripts.propagate_video", *flags, "--output", tmp_path / "out", *preloaded)
        return sorted((tmp_path / "out").glob("[!.]*"))

    return run


def first_mask(frames, mask):
    return open_user_video(frames, mask, short_side=480).forward.read(0).mask.numpy()


def test_255_is_void_in_paletted_masks_unless_it_is_alone(frames, tmp_path):
    write_labels(tmp_path / "p.png", LABELS)
    write_labels(tmp_path / "grey.png", LABELS, paletted=False)
    write_labels(tmp_path / "alone.png", np.where(LABELS == 255, 255, 0))
    assert np.array_equal(first_mask(frames, tmp_path / "p.png"), OBJECTS)
    assert np.array_equal(first_mask(frames, tmp_path / "grey.png"), LABELS)
    assert np.array_equal(first_mask(frames, tmp_path / "alone.png"), np.where(LABELS == 255, 255, 0))
    assert not read_label_map(tmp_path / "alone.png").any()  # as ground truth: no object is left
    assert np.array_equal(read_merged(tmp_path / "p.png") > 0, LABELS > 0)


def test_void_is_no_object_of_davis_2017_but_white_is_the_object_of_davis_2016(frames, tmp_path):
    for root in (tmp_path / "2016", tmp_path / "2017/trainval"):
        (root / "JPEGImages/480p").mkdir(parents=True)
        frames.rename(root / "JPEGImages/480p/v") if "2016" in root.name else (
            root / "JPEGImages/480p/v"
        ).symlink_to(tmp_path / "2016/JPEGImages/480p/v")
    write_labels(tmp_path / "2017/trainval/Annotations/480p/v/00000.png", LABELS)
    write_labels(tmp_path / "2016/Annotations/480p/v/00000.png", np.where(LABELS > 0, 255, 0))
    (tmp_path / "2017/trainval/ImageSets/2017").mkdir(parents=True)
    (tmp_path / "2017/trainval/ImageSets/2017/val.txt").write_text("v")
    assert np.array_equal(davis_2017(tmp_path / "2017", "val")[0].read(0).mask, OBJECTS)
    assert np.array_equal(davis_2016(tmp_path / "2016")[0].read(0).mask > 0, LABELS > 0)


def test_masks_of_one_frame_and_empty_ones(frames, tmp_path):
    masks = tmp_path / "masks"
    write_labels(masks / "00000.png", OBJECTS * 0)
    write_labels(masks / "00001.png", OBJECTS)
    video = open_user_video(frames, masks, short_side=480).forward
    assert list(video.frames.names) == ["00001", "00002"]  # from the first object on
    assert np.array_equal(video.read(0).mask, OBJECTS)
    write_labels(masks / "1.png", OBJECTS)
    with pytest.raises(InputError, match=r"00001\.png and 1\.png belong to the same frame"):
        open_user_video(frames, masks, short_side=480)


@pytest.mark.parametrize(("height", "width", "count"), [(7, 5, 2), (1, 1, 2), (40, 40, 1)])
def test_small_videos_and_one_pixel_objects(height, width, count, propagate, tmp_path):
    random = np.random.default_rng(1)
    write_frames(tmp_path / "f", random.integers(0, 256, (count, height, width, 3), np.uint8))
    labels = np.zeros((height, width), np.uint8)
    labels[height // 2, width // 2] = 7
    write_labels(tmp_path / "m.png", labels)
    sheet = tmp_path / "sheet.jpg"
    out = propagate("--input", tmp_path / "f", "--masks", tmp_path / "m.png", "--contact_sheet", sheet)
    assert [path.name for path in out] == [f"{index:05}.png" for index in range(count)]
    assert np.array_equal(read_png(out[0]), labels)
    assert all(read_png(path).shape == (height, width) for path in out)
    assert Image.open(sheet).width == 480 * count
