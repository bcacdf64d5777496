import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from dataset.training.transforms import (
    Affine,
    AffineRange,
    JitterRange,
    adjust,
    as_image,
    as_mask,
    random_box,
    size_of,
    warp,
)


@pytest.fixture
def image():
    small = np.random.default_rng(0).integers(0, 256, size=(12, 16, 3), dtype=np.uint8)
    return as_image(np.asarray(Image.fromarray(small).resize((160, 120), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize("name, amount", [("brightness", 1.1), ("contrast", 0.9), ("saturation", 1.1)])
def test_colour_steps_equal_torchvision_up_to_rounding(image, name, amount):
    expected = getattr(F, f"adjust_{name}")(image, amount)
    assert (adjust(image, [(name, amount)]).int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("amount", [0.05, -0.05])
def test_hue_equals_torchvision_up_to_its_eight_bits(image, amount):
    difference = (adjust(image, [("hue", amount)]).int() - F.adjust_hue(image, amount).int()).abs().float()
    assert difference.mean() < 2
    assert (image.int() - F.adjust_hue(image, amount).int()).abs().float().mean() > 5


def test_affine_equals_torchvision():
    labels = as_mask(
        np.random.default_rng(0).integers(0, 4, (30, 40), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    )
    affine = Affine(17, 1.08, -9)
    expected = F.affine(labels, 17, [0, 0], 1.08, [-9, 0])
    ours = warp(labels, affine.matrix(*size_of(labels)), size_of(labels))
    assert (ours != expected).float().mean() < 2e-3


def test_draws_fill_their_ranges():
    random = np.random.default_rng(0)
    affines = [AffineRange(20, 10, (0.9, 1.1)).draw(random) for _ in range(300)]
    for values, low, high in (
        ([a.degrees for a in affines], -20, 20),
        ([a.shear for a in affines], -10, 10),
        ([a.scale for a in affines], 0.9, 1.1),
    ):
        span = high - low
        assert low <= min(values) < low + 0.05 * span
        assert high - 0.05 * span < max(values) <= high
    jitters = [JitterRange(0.1, 0.05, 0.03, 0.02).draw(random) for _ in range(300)]
    assert len({tuple(name for name, _ in steps) for steps in jitters}) == 24  # in every order
    hues = [dict(steps)["hue"] for steps in jitters]
    assert -0.02 <= min(hues) < -0.018
    assert 0.018 < max(hues) <= 0.02
    assert len(JitterRange(0.1, 0.1, 0.1).draw(random)) == 3


def test_boxes_are_drawn_as_torchvision_draws_them():
    random, size = np.random.default_rng(0), (480, 854)
    ours = np.array([random_box(random, size, (0.36, 1)).in_pixels(size) for _ in range(1500)])
    torch.manual_seed(0)
    crop = v2.RandomResizedCrop(384, scale=(0.36, 1))
    canvas = torch.zeros(3, *size)
    theirs = [crop.make_params([canvas]) for _ in range(1500)]
    theirs = np.array([[box[side] for side in ("top", "left", "height", "width")] for box in theirs])
    assert np.abs(ours.mean(0) - theirs.mean(0)).max() < 12
    assert np.abs(ours.std(0) - theirs.std(0)).max() < 12
    assert (ours[:, 0] + ours[:, 2] <= 480).all()
    assert (ours[:, 1] + ours[:, 3] <= 854).all()
