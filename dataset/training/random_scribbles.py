"""Random scribbles on the errors of a mask, like those of users and of the DAVIS track's robot.

The rules are those of Scribble-to-Mask (MiVOS, supplement). A `region` is a whole picture `H x W`, 0 or 1,
and so is a drawing; the work is done in a box around the region.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.interactive.scribble_robot import find_paths
from dataset.training.mask_perturbation import bounds, change_inside, draw_boxes, draw_elements, make_element
from dataset.training.transforms import Mask, Random

OPENING = (5, 19)  # range of the diameter of the disk that opens an error, in pixels
LEAST_AREA = (10, 99)  # range of the smallest area that gets a scribble, in pixels; drawn per region
KINDS = (0.33, 0.33, 0.34)  # probabilities of a line along the boundary, a thinned region, curves
SECOND_CHANCE = 0.3  # probability of a second scribble on a region

MARGIN = (3, 49)  # range of the diameter of the disk that erodes a region before its boundary is drawn
ERASED, ERASED_SIZES = 4, (5, 9)  # number of rectangles in which a line is eroded, and sides of the elements
CURVES, KEPT_CURVES, FREE_CURVES = 10, (2, 3), (2, 4)
CURVE_POINTS = 1000  # points of a curve, so many that neighbours touch
BEYOND = (3, 6)  # range of the diameter of the disk that dilates a region before curves are cut to it
LARGE_AREA, LARGE_CHANCE = 100, 0.3  # least area of a whole region with curves, and their probability

ROBOT_CHANCE = 0.75  # probability of the robot's scribbles when there is a previous mask
ROBOT_SMOOTHING = 0.075  # radius of the opening disk, relative to the square root of an error's area

T = np.linspace(0, 1, CURVE_POINTS)[:, None]
BERNSTEIN = np.concatenate([(1 - T) ** 2, 2 * T * (1 - T), T**2], axis=1)  # weights of control points
LINE = np.ones((3, 3), np.uint8)
# OpenCV's drawing of a step of a line with thickness 3: pixels at most two steps away.
BRUSH = (np.abs(np.arange(-2, 3))[:, None] + np.abs(np.arange(-2, 3)) <= 2).astype(np.uint8)


def draw_corrections(previous: Mask, truth: Mask, is_first: bool, random: Random) -> tuple[Mask, Mask]:
    """Return positive and negative scribbles where a mask is wrong, `H x W` each, 0 or 1.

    Args:
        previous: previous mask `H x W`.
        truth: true mask `H x W`.
        is_first: whether there is no previous mask; then the robot draws nothing.
        random: random generator.
    """
    missing, wrong = truth & (1 - previous), previous & (1 - truth)
    if not is_first and random.random() < ROBOT_CHANCE:
        return draw_robot_lines(missing, random), draw_robot_lines(wrong, random)
    drawn = scribble_on_regions(missing, random), scribble_on_regions(wrong, random)
    if random.random() < LARGE_CHANCE or not (drawn[0].any() or drawn[1].any()):
        for plane, region in zip(drawn, (truth, 1 - truth), strict=True):
            if cv2.countNonZero(region) >= LARGE_AREA:
                plane |= draw_free_curves(region, random)
    return drawn


def scribble_on_regions(error: Mask, random: Random) -> Mask:
    """Scribble on each region of an error that is large enough, in one or two ways."""
    drawn = np.zeros_like(error)
    ways = draw_broken_boundary, draw_broken_middle, draw_longest_curves
    opened = cv2.morphologyEx(error, cv2.MORPH_OPEN, make_element(between(OPENING, random), 1))
    count, regions, statistics, _ = cv2.connectedComponentsWithStats(opened)
    for region in range(1, count):
        if statistics[region, cv2.CC_STAT_AREA] < between(LEAST_AREA, random):
            continue
        plane = (regions == region).astype(np.uint8)
        for _ in range(2 if random.random() < SECOND_CHANCE else 1):
            drawn |= ways[random.choice(len(KINDS), p=KINDS)](plane, random)
    return drawn


def draw_robot_lines(error: Mask, random: Random) -> Mask:
    """Draw the lines of the robot of the DAVIS interactive track on an error, three pixels wide."""
    drawn = np.zeros_like(error)
    for path in find_robot_paths(error, random):
        cv2.polylines(drawn, [path.astype(np.int32)[:, None]], isClosed=False, color=1)
    return np.asarray(cv2.dilate(drawn, LINE), np.uint8)


def find_robot_paths(error: Mask, random: Random) -> list[NDArray[np.float64]]:
    """Return the robot's paths on an error, made at half size: 1,000 positions (x, y) each."""
    return [2 * path for path in find_paths(halve(error) > 0, random, ROBOT_SMOOTHING, fewest=1)]


def halve(mask: Mask) -> Mask:
    """Return a mask at half size; a pixel is set where at least two of its four pixels are."""
    height, width = mask.shape
    even = cv2.copyMakeBorder(mask, 0, height % 2, 0, width % 2, cv2.BORDER_CONSTANT, value=0)
    return (even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).sum(axis=(1, 3)) >= 2).astype(np.uint8)


def draw_broken_boundary(region: Mask, random: Random) -> Mask:
    """Draw a line along the boundary of the eroded region, with gaps."""
    return with_gaps(draw_boundary(region, between(MARGIN, random)), random)


def draw_boundary(region: Mask, margin: int) -> Mask:
    """Draw a line along the boundary of a region eroded by a disk of diameter `margin`."""
    line = np.zeros_like(region)
    place = bounds(region, BEYOND[1])
    inner = cv2.erode(region[place], make_element(margin, 1))
    line[place] = cv2.morphologyEx(inner, cv2.MORPH_GRADIENT, LINE)
    return line


def draw_broken_middle(region: Mask, random: Random) -> Mask:
    """Draw the thinned region, three pixels wide, with gaps."""
    return with_gaps(draw_middle(region), random)


def draw_middle(region: Mask) -> Mask:
    """Draw the thinned region, three pixels wide."""
    line = np.zeros_like(region)
    place = bounds(region, BEYOND[1])
    line[place] = cv2.dilate(skeletonise(region[place]), LINE)
    return line


def draw_longest_curves(region: Mask, random: Random) -> Mask:
    """Draw the two or three longest of ten curves through a region."""
    curves = draw_curves(region, CURVES, random)
    curves.sort(key=cv2.countNonZero, reverse=True)
    return joined(region, curves[: between(KEPT_CURVES, random)])


def draw_free_curves(region: Mask, random: Random) -> Mask:
    """Draw two to four curves through a region."""
    return joined(region, draw_curves(region, between(FREE_CURVES, random), random))


def draw_curves(region: Mask, count: int, random: Random) -> list[Mask]:
    """Draw `count` quadratic Bezier curves with control points in a region; cut them to the region, dilated.

    Returns:
        A picture of each curve, of the size of the box around the region.
    """
    place = bounds(region, BEYOND[1])
    part = np.ascontiguousarray(region[place])
    near = cv2.dilate(part, make_element(between(BEYOND, random), 1))
    pixels = np.flatnonzero(part)
    at = pixels[random.integers(len(pixels), size=(count, 3))]
    control = np.stack([at % part.shape[1], at // part.shape[1]], axis=-1)  # count x 3 x 2
    curves = []
    for points in (BERNSTEIN @ control).astype(int):
        thin = np.zeros_like(part)
        thin[points[:, 1], points[:, 0]] = 1
        curves.append(cv2.dilate(thin, BRUSH) & near)
    return curves


def joined(region: Mask, curves: Sequence[Mask]) -> Mask:
    """Return curves from the box around a region in one picture of the region's size."""
    drawn = np.zeros_like(region)
    place = drawn[bounds(region, BEYOND[1])]
    for curve in curves:
        place |= curve
    return drawn


def with_gaps(line: Mask, random: Random) -> Mask:
    """Erode a line in random rectangles, in place."""
    boxes = draw_boxes(line.shape, random, ERASED)
    for box, kernel in zip(boxes, draw_elements(random, ERASED_SIZES, ERASED), strict=True):
        change_inside(line, box, cv2.erode, kernel)
    return line


def skeletonise(region: Mask) -> Mask:
    """Return the skeleton of a region (T. Y. Zhang and C. Y. Suen, Communications of the ACM, 1984).

    scikit-image's function of the same name differs from the published rule at the ends of lines.
    """
    skeleton, before = region.copy(), None
    while before is None or (skeleton != before).any():
        before = skeleton.copy()
        for removable in REMOVABLE:
            codes = cv2.filter2D(skeleton, cv2.CV_8U, NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
            skeleton &= 1 - cv2.LUT(codes, removable)
    return skeleton


def _is_removable(code: int, triples: Sequence[Sequence[int]]) -> bool:
    """Return whether a pixel with these neighbours is removed; each triple needs an unset neighbour."""
    bits = [code >> place & 1 for place in range(8)]
    beginnings = sum(bits[place] < bits[(place + 1) % 8] for place in range(8))
    is_open = not any(all(bits[place] for place in triple) for triple in triples)
    return beginnings == 1 and 2 <= sum(bits) <= 6 and is_open


# Pixels that each half step removes, by their neighbours: bit 0 is north, then clockwise.
NEIGHBOURS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)
REMOVABLE = [
    np.array([_is_removable(code, triples) for code in range(256)], np.uint8)
    for triples in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6)))
]


def between(limits: tuple[int, int], random: Random) -> int:
    """Draw a whole number between two, both included."""
    return int(random.integers(limits[0], limits[1] + 1))
