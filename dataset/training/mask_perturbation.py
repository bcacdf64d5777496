"""Random damage to a mask, like the errors of a method that a user would correct (MiVOS, supplement)."""

from collections.abc import Callable

import cv2
import numpy as np

from dataset.training.transforms import Mask, Random

TARGET_IOU = (0.4, 0.95)  # range of the overlap (IoU) below which the damage stops
ROUNDS, CHANGES = 250, 4  # most rounds, and changes in a round; each round ends with a check of the overlap
SIZES = (3, 9)  # range of the sides of structuring elements, in pixels
PIXEL_CHANCE = 0.1  # probability of first setting or clearing a rectangle's middle pixel
BLOCK = 25  # number of rounds drawn at once; most masks need few

Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two are excluded
Change = Callable[[Mask, Mask], Mask]  # cv2.dilate or cv2.erode


def perturb(mask: Mask, random: Random, target: float) -> Mask:
    """Dilate and erode a mask in random rectangles until its overlap with the original is below a target.

    A round is four changes, and there are at most 250 rounds.

    Args:
        mask: mask `H x W`, 0 or 1.
        random: random generator.
        target: overlap (IoU) to reach.
    """
    worse, place = mask.copy(), bounds(mask, 0)
    original, area = mask[place], cv2.countNonZero(mask)
    for _ in range(ROUNDS // BLOCK):
        changes = draw_changes(worse.shape, random, BLOCK * CHANGES)
        for number, (box, pixel, change, element) in enumerate(changes, start=1):
            if pixel is not None:
                worse[(box[1] + box[3]) // 2, (box[0] + box[2]) // 2] = pixel
            change_inside(worse, box, change, element)
            if number % CHANGES == 0:
                both = cv2.countNonZero(worse[place] & original)
                if both < target * (area + cv2.countNonZero(worse) - both):
                    return worse
    return worse


def draw_changes(
    size: tuple[int, ...], random: Random, count: int
) -> list[tuple[Box, int | None, Change, Mask]]:
    """Draw `count` changes in a picture of `size` (height, width).

    Each is a box, a new value of its middle pixel or None, the operation, and the structuring element.
    """
    boxes = draw_boxes(size, random, count)
    pixels = np.where(random.random(count) < PIXEL_CHANCE, random.integers(2, size=count), -1).tolist()
    grows = (random.random(count) < 0.5).tolist()
    elements = draw_elements(random, SIZES, count)
    return [
        (box, None if pixel < 0 else pixel, cv2.dilate if grow else cv2.erode, element)
        for box, pixel, grow, element in zip(boxes, pixels, grows, elements, strict=True)
    ]


def draw_boxes(size: tuple[int, ...], random: Random, count: int) -> list[Box]:
    """Draw `count` rectangles in a picture of `size` (height, width): left and top first, then the others."""
    height, width = size
    left, top = random.integers(width, size=count), random.integers(height, size=count)
    right, bottom = random.integers(left + 1, width + 1), random.integers(top + 1, height + 1)
    return list(zip(left.tolist(), top.tolist(), right.tolist(), bottom.tolist(), strict=True))


def draw_elements(random: Random, sizes: tuple[int, int], count: int) -> list[Mask]:
    """Draw `count` structuring elements with a side within `sizes`, in pixels.

    Each is a square, an ellipse, or an ellipse of half the height or half the width.
    """
    sides, shapes = random.integers(sizes[0], sizes[1] + 1, size=count), random.integers(4, size=count)
    return [make_element(side, shape) for side, shape in zip(sides.tolist(), shapes.tolist(), strict=True)]


def make_element(side: int, shape: int) -> Mask:
    """Return a structuring element; `shape` is one of the four of `draw_elements`."""
    kind = cv2.MORPH_ELLIPSE if shape else cv2.MORPH_RECT
    width, height = (side // 2 if shape == 3 else side), (side // 2 if shape == 2 else side)
    return np.asarray(cv2.getStructuringElement(kind, (width, height)), np.uint8)


def change_inside(mask: Mask, box: Box, change: Change, element: Mask) -> None:
    """Dilate or erode a box of a mask `H x W` in place, as if it were a separate picture.

    Only the set pixels in the box, with a margin of the element's size, are computed.
    """
    left, top, right, bottom = box
    inside = mask[top:bottom, left:right]
    part = inside[bounds(inside, SIZES[1])]
    if part.size:
        part[:] = change(np.ascontiguousarray(part), element)


def bounds(mask: Mask, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of a mask's set pixels and a margin; both are empty without such pixels."""
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return slice(0), slice(0)
    return slice(max(0, top - margin), top + height + margin), slice(
        max(0, left - margin), left + width + margin
    )
