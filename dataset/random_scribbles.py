"""Scribbles as people draw them, made at random on the regions of an error (MiVOS, supplement)."""

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import skeletonize

from dataset.mask_perturbation import Mask
from dataset.scribble_robot import paths_on
from dataset.training_transforms import Random

OPENING = (5, 20)  # side of the element that an error is opened by: smaller ones nobody would mend
CURVES = (2, 3)  # of a region
CURVE_TRIES = 10
CURVE_POINTS = 50
INSIDE = 0.9  # part of a curve that has to lie in its region
WIDTHS = (3, 7)  # of scribbles, pixels
MARGIN = (3, 12)  # of a line along a boundary, from it, pixels
TWO_KINDS_CHANCE = 0.3
RUB_CHANCE = 0.5  # of a scribble that is rubbed out in parts
RUBBED = (1, 4)  # parts
RUBBED_SIDE = (0.05, 0.3)  # of the longer side of the picture


def scribbles_on_error(error: Mask, random: Random) -> Mask:
    """Scribble on each region of an error that is large enough.

    Args:
        error: `H x W`, 1 where the answer is wrong.
        random: source of all draws.

    Returns:
        `H x W`, 1 on the scribbles, which lie in the error.
    """
    side = int(random.integers(OPENING[0], OPENING[1] + 1))
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    opened = cv2.morphologyEx(error, cv2.MORPH_OPEN, element)
    drawn = np.zeros_like(error)
    count, regions, boxes, _ = cv2.connectedComponentsWithStats(opened)
    for region in range(1, count):
        left, top, width, height, _ = boxes[region]
        place = np.s_[top : top + height, left : left + width]
        part = (regions[place] == region).astype(np.uint8)
        drawn[place] |= scribble(part, random)
    return drawn & error


def scribbles_by_robot(error: Mask, random: Random) -> Mask:
    """Scribble on an error as the robot of the DAVIS interactive track does, at half size, which is quicker.

    Args:
        error: `H x W`, 1 where the answer is wrong.
        random: source of all draws.

    Returns:
        `H x W`, 1 on the scribbles, which lie in the error: smooth paths cut across what it bends around.
    """
    half = np.zeros_like(error[::2, ::2])
    for path in paths_on(error[::2, ::2] > 0, seed=int(random.integers(1 << 31))):
        cv2.polylines(half, [path.astype(np.int32)[:, None]], False, 1)
    drawn = cv2.resize(half, error.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return cv2.dilate(drawn, np.ones((3, 3), np.uint8)) & error


def scribble(region: Mask, random: Random) -> Mask:
    """Scribble on one region, in one way or two: along its boundary, along its middle, or in curves.

    Args:
        region: `h x w`, its bounding box; not empty.
        random: source of all draws.
    """
    ways = [along_boundary, along_middle, in_curves]
    drawn = np.zeros_like(region)
    for way in random.permutation(len(ways))[: 2 if random.random() < TWO_KINDS_CHANCE else 1]:
        drawn |= ways[way](region, random)
    return drawn & region


def along_boundary(region: Mask, random: Random) -> Mask:
    """Return a line within a region at some distance from its boundary."""
    margin = int(random.integers(MARGIN[0], MARGIN[1] + 1))
    padded = cv2.copyMakeBorder(region, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inner = cv2.erode(padded, np.ones((margin, margin), np.uint8))
    line = inner - cv2.erode(inner, np.ones((3, 3), np.uint8))
    return widened(line, random)[1:-1, 1:-1]


def along_middle(region: Mask, random: Random) -> Mask:
    """Return the thinned region."""
    padded = np.pad(region, 1)
    return widened(skeletonize(padded > 0).astype(np.uint8), random)[1:-1, 1:-1]


def in_curves(region: Mask, random: Random) -> Mask:
    """Return two or three quadratic Bezier curves that keep to the region."""
    drawn = np.zeros_like(region)
    points = np.argwhere(region)[:, ::-1]  # (x, y)
    for _ in range(random.integers(CURVES[0], CURVES[1] + 1)):
        for _ in range(CURVE_TRIES):
            curve = quadratic_curve(points[random.integers(len(points), size=3)])
            if region[curve[:, 1], curve[:, 0]].mean() >= INSIDE:
                cv2.polylines(drawn, [curve[:, None]], False, 1)
                break
    return widened(drawn, random)


def quadratic_curve(control: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return whole points (x, y) along a quadratic Bezier curve with three control points."""
    t = np.linspace(0, 1, CURVE_POINTS)[:, None]
    curve = (1 - t) ** 2 * control[0] + 2 * t * (1 - t) * control[1] + t**2 * control[2]
    return np.rint(curve).astype(np.int32)


def widened(line: Mask, random: Random) -> Mask:
    """Return a line of one pixel in a random width."""
    width = int(random.integers(WIDTHS[0], WIDTHS[1] + 1))
    return cv2.dilate(line, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))


def rubbed_out(drawn: Mask, random: Random) -> Mask:
    """Return scribbles without what lies in some random rectangles, or as they are."""
    if random.random() >= RUB_CHANCE:
        return drawn
    left = drawn.copy()
    longest = max(drawn.shape)
    for _ in range(random.integers(RUBBED[0], RUBBED[1] + 1)):
        height, width = (int(random.uniform(*RUBBED_SIDE) * longest) + 1 for _ in range(2))
        top, side = random.integers(drawn.shape[0]), random.integers(drawn.shape[1])
        left[top : top + height, side : side + width] = 0
    return left
