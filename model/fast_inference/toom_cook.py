"""The matrices of Winograd's minimal filtering, from Toom-Cook multiplication of polynomials.

For m outputs along an axis, B transforms their m + 2 inputs, G the three taps of the kernel, and A the m + 2
products of both.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Tile = tuple[int, int]  # outputs down and across; each an m

TAPS = 3

# m -> the m + 1 points, besides infinity, at which the polynomials behind B, G and A are evaluated. With the
# same points along both axes, rounding errors in float32 are 2, 8 and 22 times those of a direct sum.
POINTS = {
    2: (0.0, 1.0, -1.0),
    4: (0.0, 1.0, -1.0, 0.5, -2.0),
    6: (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0),
}


def matrices(points: Sequence[float]) -> tuple[Matrix, Matrix, Matrix]:
    """Return A `m x (m+2)`, G `(m+2) x 3` and B `(m+2) x (m+2)` of one axis."""
    outputs, inputs = len(points) - 1, len(points) + 1
    a, g, b = np.zeros((outputs, inputs)), np.zeros((inputs, TAPS)), np.zeros((inputs, inputs))
    for i, point in enumerate(points):
        others = [other for other in points if other != point]
        a[:, i] = point ** np.arange(outputs)
        g[i] = point ** np.arange(TAPS) / np.prod(point - np.array(others))
        b[i, :-1] = np.poly(others)[::-1]
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = np.poly(points)[::-1]
    return a, g, b
