"""Winograd's tile transforms, compiled on first use; each makes one pass over memory.

As tensor operations they need about twenty passes, which took a third of a convolution's time. For m outputs
along an axis, B transforms their m + 2 inputs, G the three taps of the kernel, and A the m + 2 products of
both.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numba import from_dtype, prange, types
from numpy.typing import NDArray
from torch import Tensor

from model.fast_inference.compilation import Kernel, compile_loop, inline

Matrix = NDArray[np.float64]
Tile = tuple[int, int]  # outputs down and across; each an m

TAPS = 3

# m -> the m + 1 points, besides infinity, at which the polynomials behind B, G and A are evaluated. With the
# same points along both axes, rounding errors in float32 are 2, 8 and 22 times those of a direct sum.
POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 1.0, -1.0, 0.5, -2.0), 6: (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0)}

MOST_TERMS = 8
LANES = 64  # channels in a block
TILES = 8  # tiles that one thread computes at a time
BITS: dict[torch.dtype, tuple[torch.dtype, type]] = {  # integers of the same size, in PyTorch and NumPy
    torch.float32: (torch.int32, np.uint32),
    torch.bfloat16: (torch.int16, np.uint16),
}
UPPER = np.uint32(16)  # bits to shift by, since a bfloat16 is the upper half of a float32
BELOW_HALF, ODD = np.uint32(0x7FFF), np.uint32(1)


def matrices(points: Sequence[float]) -> tuple[Matrix, Matrix, Matrix]:
    """Return A `m x (m+2)`, G `(m+2) x 3` and B `(m+2) x (m+2)` of one axis, by Toom-Cook."""
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


def view_bits(x: Tensor) -> NDArray[np.generic]:
    """Return the numbers of a tensor as integers of the same size, without a copy."""
    integers, unsigned = BITS[x.dtype]
    return x.view(integers).numpy().view(unsigned)


def _matrix_product(matrix: Matrix, outer: int, by_row: bool) -> Kernel:
    """Return a function that multiplies a matrix with the columns or rows of a rectangle of blocks.

    A block is LANES numbers.

    Args:
        matrix: `results x terms`, with 4, 6 or 8 terms.
        outer: number of columns (or rows) of the rectangle.
        by_row: whether to multiply with the columns, whose terms are rows.
    """
    results, terms = matrix.shape
    factors = np.zeros((results, MOST_TERMS), np.float32)
    factors[:, :terms] = matrix
    stride = LANES * outer if by_row else LANES
    step_in, step_out = (LANES, LANES) if by_row else (LANES * terms, LANES * results)

    @inline
    def combine(source: Any, result: Any) -> None:
        # factors are constants for the compiler, which leaves out zeros and computes many channels at once;
        # in a loop over the terms it does neither
        zero = np.float32(0)
        for q in range(outer):
            for c in range(LANES):
                i = q * step_in + c
                x0 = source[i]
                x1 = source[i + stride]
                x2 = source[i + 2 * stride]
                x3 = source[i + 3 * stride]
                x4 = source[i + 4 * stride] if terms > 4 else zero
                x5 = source[i + 5 * stride] if terms > 4 else zero
                x6 = source[i + 6 * stride] if terms > 6 else zero
                x7 = source[i + 7 * stride] if terms > 6 else zero
                for r in range(results):
                    result[q * step_out + r * stride + c] = (
                        factors[r, 0] * x0
                        + factors[r, 1] * x1
                        + factors[r, 2] * x2
                        + factors[r, 3] * x3
                        + factors[r, 4] * x4
                        + factors[r, 5] * x5
                        + factors[r, 6] * x6
                        + factors[r, 7] * x7
                    )

    return combine


@cache
def input_transform(tile: Tile, dtype: torch.dtype) -> Kernel:
    """Return the loop that transforms input tiles by B to the Winograd domain; see `_window_transform`."""
    b_rows, b_columns = (matrices(POINTS[outputs])[2] for outputs in tile)
    return _window_transform(tile, b_rows, b_columns, 1, dtype)


@cache
def gradient_transform(tile: Tile, dtype: torch.dtype) -> Kernel:
    """Return the loop that transforms output-tile gradients by A^T to the Winograd domain."""
    a_rows, a_columns = (matrices(POINTS[outputs])[0] for outputs in tile)
    return _window_transform(tile, a_rows.T, a_columns.T, 0, dtype)


def _window_transform(
    tile: Tile, of_rows: Matrix, of_columns: Matrix, reach: int, dtype: torch.dtype
) -> Kernel:
    """Return the loop that transforms the rows and columns of the window around each tile.

    Its arguments are the bits of x `N x H x W x C`, the index of the first tile, and the bits of the results
    `P x tiles x C`. C is a multiple of LANES.

    Args:
        tile: size of a tile, the distance between windows.
        of_rows: matrix for the rows, `results x terms`.
        of_columns: matrix for the columns, `results x terms`; P is the product of both numbers of results.
        reach: number of rows and columns by which a window begins before its tile.
        dtype: dtype of x and the results.
    """
    down, across = of_rows.shape[1], of_columns.shape[1]
    inside, squares = down * across, len(of_rows) * len(of_columns)
    most = max(inside, squares, len(of_rows) * across)
    transform_down = _matrix_product(of_rows, across, True)
    transform_across = _matrix_product(of_columns, len(of_rows), False)
    place, widened, rounded = _inlined(tile, dtype)

    def transform_windows(x: Any, first: int, transformed: Any) -> None:
        _, height, width, channels = x.shape
        tiles = transformed.shape[1]
        for chunk in prange((tiles + TILES - 1) // TILES):
            bits, lines = np.empty(most * LANES, np.uint32), np.empty(most * LANES, np.float32)
            square = bits.view(np.float32)
            for tile in range(chunk * TILES, min(tiles, (chunk + 1) * TILES)):
                image, top, left = place(first + tile, height, width)
                for block in range(channels // LANES):
                    channel = block * LANES
                    for i in range(inside):
                        y, z, to = top - reach + i // across, left - reach + i % across, i * LANES
                        if y >= 0 and y < height and z >= 0 and z < width:
                            for c in range(LANES):
                                bits[to + c] = widened(x[image, y, z, channel + c])
                        else:
                            for c in range(LANES):
                                bits[to + c] = 0
                    transform_down(square, lines)
                    transform_across(lines, square)
                    for i in range(squares):
                        for c in range(LANES):
                            transformed[i, tile, channel + c] = rounded(bits[i * LANES + c])

    numbers = from_dtype(np.dtype(BITS[dtype][1]))
    return compile_loop(transform_windows, numbers[:, :, :, ::1], types.intp, numbers[:, :, ::1])


@cache
def output_transform(tile: Tile, dtype: torch.dtype) -> Kernel:
    """Return the loop that transforms the products of tiles by A to outputs, and adds the bias.

    Its arguments are the bits of the products `P x tiles x O`, the index of the first tile, the bias `O`, and
    the bits of the result `N x H x W x O`. O is a multiple of LANES.
    """
    rows, columns = tile
    a_rows, a_columns = (matrices(POINTS[outputs])[0] for outputs in tile)
    around = columns + 2
    squares = (rows + 2) * around
    transform_down = _matrix_product(a_rows, around, True)
    transform_across = _matrix_product(a_columns, rows, False)
    place, widened, rounded = _inlined(tile, dtype)

    def transform_products(products: Any, first: int, bias: Any, result: Any) -> None:
        _, height, width, channels = result.shape
        tiles = products.shape[1]
        for chunk in prange((tiles + TILES - 1) // TILES):
            bits, lines = np.empty(squares * LANES, np.uint32), np.empty(squares * LANES, np.float32)
            square = bits.view(np.float32)
            for tile in range(chunk * TILES, min(tiles, (chunk + 1) * TILES)):
                image, top, left = place(first + tile, height, width)
                for block in range(channels // LANES):
                    channel = block * LANES
                    for i in range(squares):
                        for c in range(LANES):
                            bits[i * LANES + c] = widened(products[i, tile, channel + c])
                    transform_down(square, lines)
                    transform_across(lines, square)
                    for i in range(min(rows, height - top)):
                        for j in range(min(columns, width - left)):
                            at_block = (i * columns + j) * LANES
                            for c in range(LANES):
                                square[at_block + c] += bias[channel + c]
                            for c in range(LANES):
                                result[image, top + i, left + j, channel + c] = rounded(bits[at_block + c])

    numbers = from_dtype(np.dtype(BITS[dtype][1]))
    biases, results = types.float32[::1], numbers[:, :, :, ::1]
    return compile_loop(transform_products, numbers[:, :, ::1], types.intp, biases, results)


def _inlined(tile: Tile, dtype: torch.dtype) -> tuple[Any, Any, Any]:
    """Return functions for loops: position of a tile, conversion of bits to float32, and rounding back."""
    rows, columns = tile
    half = dtype == torch.bfloat16

    @inline
    def place(tile: int, height: int, width: int) -> Any:  # image, first row and column of outputs
        down, across = (height + rows - 1) // rows, (width + columns - 1) // columns
        return tile // (down * across), tile // across % down * rows, tile % across * columns

    @inline
    def widened(bits: Any) -> Any:
        return np.uint32(bits) << UPPER if half else bits

    @inline
    def rounded(bits: Any) -> Any:  # to the nearest, to even halfway
        return np.uint16((bits + BELOW_HALF + ((bits >> UPPER) & ODD)) >> UPPER) if half else bits

    return place, widened, rounded
