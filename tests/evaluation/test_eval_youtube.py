from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from dataset import yv_test_dataset
from dataset.image_io import normalise
from dataset.yv_test_dataset import YOUTUBE_VOS, youtube_vos
from tests.conftest import read_png, run_main, write_labels

SIZE = (60, 90)  # of the pictures: their shorter side becomes 480 for the network
NAMES = [f"{index:05}" for index in (0, 5, 10, 12, 13, 20, 25)]
FIRST = 1  # the mask of frame 0 has no label
LAST = 5  # the second object arrives on the one before


@pytest.fixture
def tree(tmp_path, clip):
    """Labels 3 and 7 arrive on frames 1 and 4 of 7; the mask of frame 0 is there but empty."""
    images = tmp_path / "yv/all_frames/valid_all_frames/JPEGImages/video"
    images.mkdir(parents=True)
    for frame, name in zip(clip["frames"], NAMES, strict=False):
        Image.fromarray(frame[: SIZE[0], : SIZE[1]]).save(images / f"{name}.jpg")
    ones = clip["labels"][1, : SIZE[0], : SIZE[1]]
    masks = tmp_path / "yv/valid/Annotations/video"
    write_labels(masks / f"{NAMES[0]}.png", np.zeros(SIZE))
    write_labels(masks / f"{NAMES[1]}.png", np.where(ones == 1, 3, 0))
    write_labels(masks / f"{NAMES[4]}.png", np.where(ones == 2, 7, 0)[:, :-1])  # a pixel too narrow
    return tmp_path / "yv"


def test_late_objects_keep_names_labels_and_sizes(tree, tmp_path, preloaded, monkeypatch, caplog):
    monkeypatch.setattr(yv_test_dataset, "YOUTUBE_VOS", replace(YOUTUBE_VOS, short_side=80))  # quick
    out = tmp_path / "out"
    flags = ["--yv", tree, "--output", out, *preloaded, "--mem_every", 2]
    names = NAMES[FIRST : LAST + 1]
    run_main(monkeypatch, "eval_youtube", *flags, "--max_frames", len(names))
    assert sorted(p.stem for p in (out / "video").iterdir()) == names
    masks = [Image.open(out / f"video/{name}.png") for name in names]
    assert all(mask.mode == "P" and mask.size == SIZE[::-1] for mask in masks)
    labels = [set(np.unique(mask)) for mask in masks]
    assert all(found <= {0, 3} for found in labels[:3])
    assert all(found <= {0, 3, 7} for found in labels[3:])
    assert 3 in labels[0]
    assert 7 in labels[3]
    assert "is 89 x 60, its frame 90 x 60: fitted" in caplog.text


def test_frames_are_resized_after_normalisation(tree, clip):
    video = youtube_vos(tree, "valid")[0]
    assert list(video.frames.names) == NAMES[FIRST:]
    assert sorted(video.masks) == [0, 3]
    frame = video.read(0)
    picture = np.asarray(Image.open(video.frames.paths[0]))
    expected = F.interpolate(normalise(picture)[None], (480, 720), mode="bicubic", align_corners=False)[0]
    assert torch.equal(frame.image, expected)
    small = torch.tensor(read_png(video.masks[0]))
    assert torch.equal(frame.mask, small.repeat_interleave(8, 0).repeat_interleave(8, 1))
    assert frame.size == SIZE
