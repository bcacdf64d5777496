import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from dataset.training.transforms import Affine, AffineRange, JitterRange, adjust, draw_box, warp


@pytest.mark.parametrize(
    ("name", "amount", "mean", "largest"),
    [
        ("brightness", 1.1, 1, 1),
        ("contrast", 0.9, 1, 1),
        ("saturation", 1.1, 1, 1),
        ("hue", 0.05, 2, 255),  # it has eight bits
        ("hue", -0.05, 2, 255),
    ],
)
def test_colour_steps_equal_torchvision_up_to_rounding(name, amount, mean, largest):
    small = np.random.default_rng(0).integers(0, 256, size=(12, 16, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(small).resize((160, 120), Image.Resampling.BICUBIC))
    planes = getattr(F, f"adjust_{name}")(torch.tensor(picture).permute(2, 0, 1), amount)
    expected = planes.permute(1, 2, 0).numpy().astype(int)
    difference = np.abs(adjust(picture, [(name, amount)]) - expected)
    assert difference.mean() < mean and difference.max() <= largest
    assert np.abs(picture - expected).mean() > 1


def test_affine_equals_torchvision():
    labels = np.random.default_rng(0).integers(0, 4, (30, 40), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    expected = F.affine(torch.tensor(labels)[None], 17, [0, 0], 1.08, [-9, 0])[0].numpy()
    ours = warp(labels, Affine(17, 1.08, -9).matrix(*labels.shape), labels.shape)
    assert (ours != expected).mean() < 2e-3


def test_draws_fill_their_ranges():
    random = np.random.default_rng(0)
    affines = np.array([AffineRange(20, 10, (0.9, 1.1)).draw(random) for _ in range(300)])
    low, high = np.array([-20, 0.9, -10]), np.array([20, 1.1, 10])
    assert (low <= affines.min(0)).all() and (affines.min(0) < low + 0.05 * (high - low)).all()
    assert (affines.max(0) <= high).all() and (high - 0.05 * (high - low) < affines.max(0)).all()
    jitters = [JitterRange(0.1, 0.05, 0.03, 0.02).draw(random) for _ in range(300)]
    assert len({tuple(name for name, _ in steps) for steps in jitters}) == 24  # in every order
    hues = [dict(steps)["hue"] for steps in jitters]
    assert (min(hues), max(hues)) == pytest.approx((-0.02, 0.02), abs=0.002)
    assert len(JitterRange(0.1, 0.1, 0.1).draw(random)) == 3


def test_boxes_are_drawn_as_torchvision_draws_them():
    random, size = np.random.default_rng(0), (480, 854)
    boxes = [draw_box(random, size, (0.36, 1)) for _ in range(1500)]
    ours = np.array([[box.top, box.left, box.height, box.width] for box in boxes]) * [*size, *size]
    torch.manual_seed(0)
    crop = v2.RandomResizedCrop(384, scale=(0.36, 1))
    canvas = torch.zeros(3, *size)
    theirs = [crop.make_params([canvas]) for _ in range(1500)]
    theirs = np.array([[box[side] for side in ("top", "left", "height", "width")] for box in theirs])
    assert np.abs(ours.mean(0) - theirs.mean(0)).max() < 12
    assert np.abs(ours.std(0) - theirs.std(0)).max() < 12
    assert ((ours[:, :2] + ours[:, 2:]).max(0) < np.add(size, 1e-6)).all()
