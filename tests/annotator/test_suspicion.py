"""Suspicion: which masks look wrong, and whether these masks have a low IoU."""

import numpy as np
import pytest

from dataset.masks.readers import read_labels
from scripts.annotator.jobs import Events, Job
from scripts.annotator.propagation import propagate
from scripts.annotator.settings import WorkerSettings
from scripts.annotator.suspicion import Suspicion, change, places
from scripts.annotator.weights import Weights
from scripts.annotator.worker import Worker
from tests.annotator.parts import add, disc, give, session, stroke, write_frames
from tests.conftest import SHARED_DATA, needs_shared_data


def test_change_discounts_motion():
    assert change(disc(0), disc(5)) == 0
    half = disc(5).copy()
    half[48:] = False
    y, x = np.nonzero(half)
    moved = np.roll(disc(0), (round(y.mean() - 48), round(x.mean() - 50)), axis=(0, 1))
    assert change(disc(0), half) == pytest.approx(1 - (moved & half).sum() / (moved | half).sum())
    assert change(disc(0), np.zeros_like(half)) == 1
    near_the_edge = np.zeros((20, 20), bool)
    near_the_edge[:, :6] = True
    assert change(near_the_edge, np.roll(near_the_edge, 3, axis=1)) == 0


def test_suggested_frames_are_apart_and_the_worst_come_first():
    scores = {(frame, 1): 0.5 + frame / 100 for frame in range(10)}
    assert places({**scores, (30, 2): 0.9, (31, 1): 0.8, (50, 1): 0.1}) == [
        (30, 2, 0.9),
        (9, 1, 0.59),
        (4, 1, 0.54),
    ]


def test_a_mask_is_compared_with_the_nearest_drawn_masks(tmp_path):
    with session(write_frames(tmp_path / "clip"), tmp_path / "w") as opened:
        add(opened, "disc", "other")
        masks = {index: disc(index).astype(np.uint8) for index in range(8)}
        masks[4][48:] = 0
        masks[7][:] = 0
        give(opened, masks, drawn=(0, 6))
        found = Suspicion(opened)
        rows = found.as_json()["curves"][1]
        half = change(disc(0), masks[4] == 1)
        assert [row[2] for row in rows] == [0, 0, 0, 0, round(half, 3), 0, 0, 1]
        assert [row[1] for row in rows] == [int(mask.sum()) for mask in masks.values()]
        assert found.as_json()["places"] == [[7, 1, 1]]
        opened.edit(stroke([[70, 48]], frame=7))
        assert found.as_json()["places"] == [[4, 1, round(half, 3)]]


@pytest.mark.slow
@needs_shared_data
def test_bad_frames_are_suggested_first(tmp_path):
    """Fit a network to the first mask of each sequence, propagate from every twentieth; look at the worst.

    It takes some thirty minutes on two cores; -s shows the table of docs/ANNOTATE.md.
    """
    shares, chances = [], []
    for folder in sorted((SHARED_DATA / "DAVIS/2016/JPEGImages/480p").iterdir()):
        truth = SHARED_DATA / "DAVIS/2016/Annotations/480p" / folder.name
        overlap, order = propagated(folder, truth, tmp_path / folder.name)
        bad = overlap < 0.5
        first = bad[order[:10]].mean()
        print(f"{folder.name}: J {overlap.mean():.2f}, first ten {first:.2f}, all {bad.mean():.2f}")
        if bad.any() and not bad.all():
            shares.append(first)
            chances.append(bad.mean())
    print(f"mean: first ten {np.mean(shares):.2f}, all {np.mean(chances):.2f}")
    assert np.mean(shares) > np.mean(chances)


def propagated(folder, truth, workspace):
    """Return J of the frames that are not drawn, and their order by suspicion."""
    masks = [read_labels(path) > 0 for path in sorted(truth.iterdir())]
    network = workspace / "fit/network.pth"
    flags = ["--device", "cpu", "--precision", "reduced"]
    job, fitted = Job(1, "fit", Events()), Weights(workspace / "none.pth", network, 240, flags)
    with session(folder, workspace) as opened:
        add(opened, "object")
        give(opened, {0: masks[0].astype(np.uint8)})
        fitted.fit(job, opened, 2)
        give(opened, {frame: masks[frame].astype(np.uint8) for frame in range(20, len(masks), 20)})
        worker = Worker(WorkerSettings(folder, workspace, workspace, 240, "cpu", "reduced", False), 0)
        request = {"first": 0, "last": len(masks) - 1, "forward": True, "backward": True}
        propagate(job, opened, worker, request, {"weights": network, "remember_previous": False})
        worker.close()
        rows = [row for row in Suspicion(opened).as_json()["curves"][1] if row[0] % 20]
        found = {frame: opened.label_map(frame) > 0 for frame, _, _ in rows}
    overlap = [(found[i] & masks[i]).sum() / max(1, (found[i] | masks[i]).sum()) for i in found]
    return np.array(overlap), np.argsort([-score for _, _, score in rows], kind="stable")
