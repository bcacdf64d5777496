"""Random damage to a mask, like the errors of a method that a user would correct (MiVOS, supplement)."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.training.transforms import Random

TARGET_IOU = (0.4, 0.95)  # range of the overlap below which the damage stops
ROUNDS, CHANGES = 250, 4  # the overlap is computed after each round of changes
SIZES = (3, 9)  # of structuring elements, in pixels
PIXEL_CHANCE = 0.1  # that the middle pixel of a rectangle is set or cleared first
BLOCK = 25  # rounds drawn at once; most masks need few

Mask = NDArray[np.uint8]  # H x W, 0 or 1
Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two are excluded


def overlap(first: Mask, second: Mask) -> float:
    """Return the intersection over union of two masks, 1 when both are empty."""
    either = cv2.countNonZero(first | second)
    return cv2.countNonZero(first & second) / either if either else 1.0


def perturbed(mask: Mask, random: Random, target: float) -> Mask:
    """Dilate and erode a mask in random rectangles until its overlap with the original is below a target.

    A round is four changes, and there are at most 250 rounds. Changes only touch pixels near the mask, so a
    small object costs little.

    Args:
        mask: mask `H x W`, 0 or 1.
        random: random generator.
        target: overlap (IoU) to reach.
    """
    worse = mask.copy()
    area = cv2.countNonZero(mask)
    near = foreground(worse)
    for _ in range(ROUNDS // BLOCK):
        changes = drawn_changes(worse.shape, random, BLOCK * CHANGES)
        for number, (box, pixel, change, element) in enumerate(changes, start=1):
            if pixel is not None:
                x, y = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
                worse[y, x] = pixel
                if pixel:
                    near = union(near, (x, y, x + 1, y + 1))
            near = union(near, change_inside(worse, intersection(box, near, SIZES[1]), change, element))
            if number % CHANGES == 0 and _is_below(worse, mask, area, near, target):
                return worse
    return worse


Change = Callable[[Mask, Mask], Mask]  # cv2.dilate or cv2.erode


def drawn_changes(
    size: tuple[int, ...], random: Random, count: int
) -> list[tuple[Box, int | None, Change, Mask]]:
    """Draw changes: the box, a new value of its middle pixel or None, the operation, and the element."""
    boxes = random_boxes(size, random, count)
    pixels = np.where(random.random(count) < PIXEL_CHANCE, random.integers(2, size=count), -1).tolist()
    grows = (random.random(count) < 0.5).tolist()
    elements = random_elements(random, SIZES, count)
    return [
        (box, None if pixel < 0 else pixel, cv2.dilate if grow else cv2.erode, element)
        for box, pixel, grow, element in zip(boxes, pixels, grows, elements, strict=True)
    ]


def random_boxes(size: tuple[int, ...], random: Random, count: int) -> list[Box]:
    """Draw rectangles in a picture: the first side is uniform over it, the second over the rest."""
    height, width = size
    left, top = random.integers(width, size=count), random.integers(height, size=count)
    right, bottom = random.integers(left + 1, width + 1), random.integers(top + 1, height + 1)
    return list(zip(left.tolist(), top.tolist(), right.tolist(), bottom.tolist(), strict=True))


def random_elements(random: Random, sizes: tuple[int, int], count: int) -> list[Mask]:
    """Draw structuring elements: a square, an ellipse, or an ellipse of half the height or half the width."""
    sides, shapes = random.integers(sizes[0], sizes[1] + 1, size=count), random.integers(4, size=count)
    return [element(side, shape) for side, shape in zip(sides.tolist(), shapes.tolist(), strict=True)]


def element(side: int, shape: int) -> Mask:
    """Return a structuring element; `shape` is one of the four of `random_elements`."""
    kind = cv2.MORPH_ELLIPSE if shape else cv2.MORPH_RECT
    width, height = (side // 2 if shape == 3 else side), (side // 2 if shape == 2 else side)
    return np.asarray(cv2.getStructuringElement(kind, (width, height)), np.uint8)


def change_inside(mask: Mask, box: Box, change: Change, element: Mask) -> Box:
    """Dilate or erode a box of a mask in place, as if it were a separate picture; return the set part's box.

    Only the set pixels in the box, with a margin of the element's size, are computed.
    """
    left, top, right, bottom = box
    if left >= right or top >= bottom:
        return EMPTY
    x, y, width, height = cv2.boundingRect(mask[top:bottom, left:right])
    if not width:
        return EMPTY
    there = (left + x, top + y, left + x + width, top + y + height)
    left, top, right, bottom = intersection(box, there, SIZES[1])
    part = mask[top:bottom, left:right]
    part[:] = change(np.ascontiguousarray(part), element)
    return left, top, right, bottom


# Boxes

EMPTY: Box = (1 << 30, 1 << 30, 0, 0)


def foreground(mask: Mask) -> Box:
    """Return the bounding box of the set pixels."""
    x, y, width, height = cv2.boundingRect(mask)
    return (x, y, x + width, y + height) if width else EMPTY


def union(first: Box, second: Box) -> Box:
    """Return the bounding box of two boxes."""
    return (
        min(first[0], second[0]),
        min(first[1], second[1]),
        max(first[2], second[2]),
        max(first[3], second[3]),
    )


def intersection(box: Box, other: Box, margin: int) -> Box:
    """Return the intersection of a box with another one that is enlarged by a margin."""
    return (
        max(box[0], other[0] - margin),
        max(box[1], other[1] - margin),
        min(box[2], other[2] + margin),
        min(box[3], other[3] + margin),
    )


def _is_below(worse: Mask, mask: Mask, area: int, near: Box, target: float) -> bool:
    """Return whether the overlap of a changed mask with the original is below the target."""
    left, top, right, bottom = near
    if left >= right:
        return area > 0
    part = worse[top:bottom, left:right]
    both = cv2.countNonZero(part & mask[top:bottom, left:right])
    either = area + cv2.countNonZero(part) - both
    return both < target * either
