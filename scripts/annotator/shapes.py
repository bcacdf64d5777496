"""Which pixels a brush stroke, a polygon or a box covers.

Positions are (x, y) in pixels of the video, continuous: pixel (column i, row j) is the square from (i, j) to
(i + 1, j + 1). A shape covers the pixels whose centres lie in it, so that what is covered depends neither on
zoom nor on the order of points.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = Sequence[Sequence[float]]
Covered = NDArray[np.bool_]


def stroke(size: tuple[int, int], points: Points, radius: float) -> Covered:
    """Return the pixels whose centres are at most `radius` away from a line through points.

    Args:
        size: (H, W) of the result.
        points: `N x 2`, (x, y) in pixels; a single one is a dot.
        radius: radius in pixels.
    """
    covered = np.zeros(size, np.bool_)
    line = np.asarray(points, np.float64)
    ends = line[1:] if len(line) > 1 else line
    for (x0, y0), (x1, y1) in zip(line, ends, strict=False):
        rows = _span(min(y0, y1) - radius, max(y0, y1) + radius + 1, size[0])
        columns = _span(min(x0, x1) - radius, max(x0, x1) + radius + 1, size[1])
        x = np.arange(columns.start, columns.stop) + 0.5 - x0  # w
        y = (np.arange(rows.start, rows.stop) + 0.5 - y0)[:, None]  # h x 1
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        along = np.clip((x * dx + y * dy) / length, 0, 1) if length else np.zeros((1, 1))  # h x w
        covered[rows, columns] |= (x - along * dx) ** 2 + (y - along * dy) ** 2 <= radius * radius
    return covered


def polygon(size: tuple[int, int], points: Points) -> Covered:
    """Return the pixels whose centres lie inside a polygon, by the even-odd rule.

    Args:
        size: (H, W) of the result.
        points: N times (x, y); the last is joined to the first.
    """
    height, width = size
    crossings = np.zeros((height, width + 1), np.bool_)  # where the polygon's edge is passed, from the left
    corners = np.asarray(points, np.float64)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        rows = _span(min(y0, y1), max(y0, y1), height)
        if y0 == y1 or rows.start >= rows.stop:
            continue
        row = np.arange(rows.start, rows.stop)
        x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        crossings[row, np.clip(np.ceil(x - 0.5), 0, width).astype(int)] ^= True
    return np.logical_xor.accumulate(crossings, axis=1)[:, :width]


def box(size: tuple[int, int], points: Points) -> Covered:
    """Return the pixels whose centres lie in a box, given by two opposite corners (x, y)."""
    (x0, y0), (x1, y1) = points
    covered = np.zeros(size, np.bool_)
    covered[_span(min(y0, y1), max(y0, y1), size[0]), _span(min(x0, x1), max(x0, x1), size[1])] = True
    return covered


def _span(low: float, high: float, length: int) -> slice:
    """Return the pixels whose centres lie from `low` on and before `high`."""
    start = int(np.clip(np.ceil(low - 0.5), 0, length))
    return slice(start, int(np.clip(np.ceil(high - 0.5), start, length)))
