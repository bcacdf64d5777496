"""A fit that starts from known weights: it learns another object, and keeps what they know (some minutes)."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from dataset.training.annotated_frames import AnnotatedFrames, annotated_frames
from dataset.video_dataset import open_user_video
from model import PropagationNetwork
from model.checkpoint import load_weights
from model.training.propagation_forward import PropagationForward
from scripts.one_shot.held_out import held_out_scores
from tests.conftest import run_main, write_frames, write_labels
from util.ranks import Ranks

pytestmark = pytest.mark.slow

MODULE = "scripts.fit_first_frame"
SIDE, CROP = 96, 64
OBJECTS = {"coffee": ((0.45, 0.5), (0.36, 0.3)), "chelsea": ((0.45, 0.5), (0.4, 0.32))}  # (y, x), half axes


def written(folder: Path, name: str) -> list[object]:
    """Write a picture as a video of one frame, and an ellipse as its object; return the flags for them."""
    picture = getattr(skimage.data, name)()
    width = round(SIDE * picture.shape[1] / picture.shape[0])
    frame = cv2.resize(picture, (width, SIDE), interpolation=cv2.INTER_AREA)
    (y, x), (height, length) = OBJECTS[name]
    grid_y, grid_x = np.mgrid[:SIDE, :width] / np.array([SIDE, width])[:, None, None]
    inside = ((grid_y - y) / height) ** 2 + ((grid_x - x) / length) ** 2 < 1
    write_frames(folder / name, np.stack([frame, frame]))
    write_labels(folder / f"{name}.png", inside.astype(np.uint8))
    return ["--frames", folder / name, "--masks", folder / f"{name}.png", "--size", SIDE, "--crop_size", CROP]


def knows(weights: Path, flags: list[object]) -> float:
    """Return the overlap on samples of a video that no fit was trained on."""
    video = open_user_video(Path(str(flags[1])), Path(str(flags[3])), short_side=SIDE).forward
    network = PropagationNetwork()
    load_weights(network, weights)
    dataset = AnnotatedFrames(annotated_frames(video), CROP)
    return held_out_scores(PropagationForward(network), dataset, Ranks(torch.device("cpu")))[1]


def test_a_fit_from_known_weights_keeps_what_they_know(tmp_path, monkeypatch):
    first, other = (written(tmp_path, name) for name in OBJECTS)
    known, more = tmp_path / "known.pth", tmp_path / "more.pth"
    run_main(monkeypatch, MODULE, *first, "--iterations", 120, "--output", known)
    run_main(monkeypatch, MODULE, *other, "--iterations", 60, "--load_network", known, "--output", more)
    before, after = knows(known, first), knows(more, first)
    learnt, strange = knows(more, other), knows(known, other)
    print(f"the first object: {before:.2f} before, {after:.2f} after; the other: {strange:.2f}, {learnt:.2f}")
    assert before > 0.7
    assert after > before - 0.1
    assert learnt > 0.7 and learnt > strange
