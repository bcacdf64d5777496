"""Thin-plate-spline warps: smooth maps of the plane that move control points to given positions.

Points are (x, y) in the unit square. The interpolant is the sum of an affine map and, per control point, a
weight times U(r) = r^2 log r.
"""

from functools import lru_cache

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

CONTROL_POINTS = 12
NOISE = 0.02  # standard deviation of a control point's displacement, as a share of the picture's size

# Near a control point the second derivative of the map is weight * log(r). There a cubic spline through a
# grid of step h has an error of 0.21 to 0.43 * h^2 * |weight| (over thousands of random maps).
GRIDS = (33, 49, 65, 97, 129, 193)
ERROR_FACTOR = 0.5
ERROR_PIXELS = 0.09


def draw_control_points(random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw source and target points, `CONTROL_POINTS x 2` each."""
    source = random.random((CONTROL_POINTS, 2))
    return source, source + random.normal(scale=NOISE, size=source.shape)


def solve(c_src: NDArray[np.float64], c_dst: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the map that takes each `c_dst` (position in the result) to its `c_src` (position to read).

    Args:
        c_src: N x 2, N >= 3, not all on a line.
        c_dst: N x 2, all different.

    Returns:
        (N + 3) x 2: a weight per control point, then the affine part for 1, x and y.
    """
    count = len(c_dst)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bend(((c_dst[:, None] - c_dst[None]) ** 2).sum(-1))
    system[:count, count:] = np.column_stack((np.ones(count), c_dst))
    system[count:, :count] = system[:count, count:].T
    return scipy.linalg.solve(system, np.concatenate((c_src, np.zeros((3, 2)))), assume_a="sym")


def evaluate(
    theta: NDArray[np.float64], c_dst: NDArray[np.float64], height: int, width: int
) -> NDArray[np.float32]:
    """Evaluate `theta` of `solve(c_src, c_dst)` on a grid from border to border, `2 x height x width`."""
    weights, affine = theta[:-3].astype(np.float32), theta[-3:].astype(np.float32)
    x = np.linspace(0, 1, width, dtype=np.float32)
    y = np.linspace(0, 1, height, dtype=np.float32)
    points = c_dst.astype(np.float32)
    squared = ((y - points[:, 1:]) ** 2)[:, :, None] + ((x - points[:, :1]) ** 2)[:, None, :]
    grid = np.tensordot(weights.T, _bend(squared), 1)
    return (
        grid + affine[0][:, None, None] + affine[1][:, None, None] * x + affine[2][:, None, None] * y[:, None]
    )


def fast_maps(
    c_src: NDArray[np.float64], c_dst: NDArray[np.float64], height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the map of `solve` for `cv2.remap`, two arrays `height x width`, within 0.1 pixel.

    The map is evaluated on a coarse grid and interpolated to the pixels by cubic splines. The grid's step
    follows from the largest weight, since close control points that move apart bend the plane sharply. When
    no grid is fine enough, the map is exact.
    """
    theta = solve(c_src, c_dst)
    size = coarse_grid(theta, max(height, width))
    if size is None or size >= min(height, width):
        return to_pixels(evaluate(theta, c_dst, height, width))
    grid = evaluate(theta, c_dst, size, size)
    fine = _spline_matrix(size, height) @ grid @ _spline_matrix(size, width).T
    return to_pixels(fine.astype(np.float32, copy=False))  # no copy; for the type checker


def coarse_grid(theta: NDArray[np.float64], pixels: int) -> int | None:
    """Return the smallest of `GRIDS` (nodes per side) with an error below 0.1 pixel, or None."""
    weight = np.abs(theta[:-3]).max()
    for size in GRIDS:
        if ERROR_FACTOR * weight * pixels / (size - 1) ** 2 <= ERROR_PIXELS:
            return size
    return None


def _bend(squared: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return U(r) = r^2 log r from r^2; U(0) = 0."""
    return squared * np.log(np.maximum(squared, 1e-30)) / 2


def to_pixels(grid: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the result of `evaluate` in pixels, x and y."""
    # as the original does: 1 is the width, one more than the last pixel's coordinate
    return grid[0] * np.float32(grid.shape[2]), grid[1] * np.float32(grid.shape[1])


@lru_cache(maxsize=32)
def _spline_matrix(nodes: int, pixels: int) -> NDArray[np.float32]:
    """Return the matrix `pixels x nodes` of cubic spline interpolation."""
    spline = make_interp_spline(np.linspace(0, 1, nodes), np.eye(nodes), k=3)
    return spline(np.linspace(0, 1, pixels)).astype(np.float32)
