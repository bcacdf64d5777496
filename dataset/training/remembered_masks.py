"""Masks with the typical mistakes of a method, for the memory of training samples."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.training.mask_perturbation import TARGET_IOU, Mask, perturbed
from dataset.training.transforms import Random

EDGES_CHANCE = 0.5  # of mistakes along the edges; otherwise parts are confused
LOST_CHANCE, GAINED_CHANCE = 0.4, 0.4  # per object
LOST_PART = 0.2, 0.8  # half axes of a lost part, relative to the object's width and height
GAINED_PART = 0.1, 0.25  # half axes of a gained part, relative to the width and height of the surroundings
AROUND = 12  # width of the surroundings in pixels
SMALLEST = 20  # pixels of the smallest object that can lose parts


def misremembered(masks: NDArray[np.uint8], random: Random) -> NDArray[np.uint8]:
    """Return masks of objects, `K x H x W` 0 or 1, with mistakes; they do not overlap."""
    if random.random() >= EDGES_CHANCE:
        labels = confused(np.tensordot(np.arange(1, len(masks) + 1, dtype=np.uint8), masks, 1), random)
        return np.stack([labels == number for number in range(1, len(masks) + 1)]).astype(np.uint8)
    worse = np.zeros_like(masks)
    for place, mask in zip(worse, masks, strict=True):
        if mask.any():
            place[:] = perturbed(mask, random, random.uniform(*TARGET_IOU)) & ~worse.any(axis=0)
    return worse


def confused(labels: Mask, random: Random) -> Mask:
    """Give parts of objects to the background or to another object, and parts of the background to them.

    Args:
        labels: `H x W`, 0 for the background, objects from 1 on.
        random: random generator.
    """
    worse, objects = labels.copy(), int(labels.max())
    for label in range(1, objects + 1):
        own = (labels == label).astype(np.uint8)
        if own.sum() < SMALLEST:
            continue
        if random.random() < LOST_CHANCE:
            other = (label + random.integers(1, objects + 1)) % (objects + 1)
            worse[(blob(own, LOST_PART, random) & own) > 0] = other
        if random.random() < GAINED_CHANCE:
            around = cv2.dilate(own, np.ones((2 * AROUND + 1,) * 2, np.uint8)) & (1 - own)
            if around.any():
                worse[(blob(around, GAINED_PART, random) & (labels == 0)) > 0] = label
    return worse


def blob(mask: Mask, part: tuple[float, float], random: Random) -> Mask:
    """Draw an ellipse around a pixel of a mask; `part` limits its half axes relative to the mask's extent."""
    ys, xs = np.nonzero(mask)
    at = random.integers(len(ys))
    centre = int(xs[at]), int(ys[at])
    across, down = (max(1, int((np.ptp(line) + 1) * random.uniform(*part))) for line in (xs, ys))
    drawn, turned = np.zeros_like(mask), random.uniform(0, 180)
    return cv2.ellipse(drawn, centre, (across, down), turned, 0, 360, color=1, thickness=-1)
