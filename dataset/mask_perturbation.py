"""Masks made worse at random, as the answers of a method are that a person would correct."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.training_transforms import Random

TARGET_IOU = (0.4, 0.95)  # what the mask is made worse to is drawn from here
ELEMENT = (3, 10)  # sides of structuring elements, pixels
PIXEL_CHANCE = 0.1  # of a pixel that is set first, so that new regions begin
MOST_CHANGES = 300

Mask = NDArray[np.uint8]  # H x W, 0 or 1


def overlap(first: Mask, second: Mask) -> float:
    """Return the intersection over union of two masks, 1 when both are empty."""
    either = cv2.countNonZero(first | second)
    return cv2.countNonZero(first & second) / either if either else 1.0


def perturbed(mask: Mask, random: Random) -> Mask:
    """Dilate and erode a mask in random rectangles until its overlap with what it was is low enough.

    Args:
        mask: `H x W`, 0 or 1; one without an object is returned as it is.
        random: source of all draws.
    """
    target, worse = random.uniform(*TARGET_IOU), mask.copy()
    if not mask.any():
        return worse
    left, top, width, height = cv2.boundingRect(mask)
    for _ in range(MOST_CHANGES):
        if overlap(worse, mask) < target:
            break
        # rectangles lie about the object, and reach as far beyond it as it is long
        centre_y, centre_x = random.uniform(-0.5, 1.5, 2) * (height, width) + (top, left)
        half_y, half_x = (max(2, random.uniform(0.05, 0.5) * length) for length in (height, width))
        rows = slice(max(0, int(centre_y - half_y)), max(0, int(centre_y + half_y)))
        columns = slice(max(0, int(centre_x - half_x)), max(0, int(centre_x + half_x)))
        part = worse[rows, columns]
        if not part.size:
            continue
        if random.random() < PIXEL_CHANCE:
            part[random.integers(part.shape[0]), random.integers(part.shape[1])] = 1
        change = cv2.dilate if random.random() < 0.5 else cv2.erode
        part[:] = change(np.ascontiguousarray(part), random_element(random))
    return worse


def random_element(random: Random, sides: tuple[int, int] = ELEMENT) -> Mask:
    """Draw a structuring element: a rectangle, ellipse or cross."""
    kind = (cv2.MORPH_RECT, cv2.MORPH_ELLIPSE, cv2.MORPH_CROSS)[random.integers(3)]
    height, width = (int(random.integers(sides[0], sides[1] + 1)) for _ in range(2))
    return np.asarray(cv2.getStructuringElement(kind, (width, height)), np.uint8)
