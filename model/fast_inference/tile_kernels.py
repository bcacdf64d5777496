"""The sums of Winograd's way on tiles, compiled when they are first needed: one pass over memory each.

Written as tensor operations they are some twenty passes over all tiles, which took a third of a convolution.
Here a block of channels of one tile stays in the processor's nearest cache until it is done.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from llvmlite import ir
from numba import carray, from_dtype, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray
from torch import Tensor

from model.fast_inference.compilation import Kernel, compiled, inlined
from model.fast_inference.toom_cook import POINTS, Matrix, Tile, matrices

MOST_TERMS = 8
LANES = 64  # channels in a block
TILES = 8  # done by one thread in a row
BITS: dict[torch.dtype, tuple[torch.dtype, type]] = {  # integers of the same size
    torch.float32: (torch.int32, np.uint32),
    torch.bfloat16: (torch.int16, np.uint16),
}
UPPER = np.uint32(16)  # a bfloat16 is the upper half of a float32
BELOW_HALF, ODD, MINUS = np.uint32(0x7FFF), np.uint32(1), np.uint32(1 << 31)


class TileKernels(NamedTuple):
    """What `tile_kernels` compiles; tensors come as `bits_of` them.

    P products make a tile; C and O are multiples of LANES.
    """

    # (x: N x H x W x C, rectify, first tile, results: P x tiles x C)
    combine_inputs: Kernel
    # (addresses of P times tiles x O, tiles, first tile, bias: O, y: N x H x W x O, other, add it, rectify)
    combine_products: Kernel


def bits_of(x: Tensor) -> NDArray[np.generic]:
    """Return the numbers of a tensor as integers of the same size, without a copy."""
    integers, unsigned = BITS[x.dtype]
    return x.view(integers).numpy().view(unsigned)


def _pointer_code(_: Any, address: Any) -> Any:
    """Return the type of a pointer, and what makes one of an address."""

    def codegen(_: Any, builder: Any, __: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.voidptr(address), codegen


_pointer: Any = intrinsic(_pointer_code)  # of an address, as `numba.carray` takes it


def _combination(matrix: Matrix, outer: int, by_row: bool) -> Kernel:
    """Return what combines blocks of LANES numbers along the rows or columns of a rectangle of such blocks.

    Args:
        matrix: `results x terms`, with 4, 6 or 8 terms.
        outer: columns (or rows) of the rectangle; all are combined alike.
        by_row: the terms are a column's rows, rather than a row's columns.
    """
    results, terms = matrix.shape
    factors = np.zeros((results, MOST_TERMS), np.float32)
    factors[:, :terms] = matrix
    stride = LANES * outer if by_row else LANES
    step_in, step_out = (LANES, LANES) if by_row else (LANES * terms, LANES * results)

    @inlined
    def combine(source: Any, result: Any) -> None:
        # factors and terms are literals to the compiler, which leaves out what is 0; in a loop over the
        # terms it would not, nor do many channels at once
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
def tile_kernels(tile: Tile, dtype: torch.dtype) -> TileKernels:
    """Return the compiled sums for a size of tiles and a dtype; they are kept on disk between runs."""
    rows, columns = tile
    a_rows, _, b_rows = matrices(POINTS[rows])
    a_columns, _, b_columns = matrices(POINTS[columns])
    around = columns + 2
    squares = (rows + 2) * around
    half = dtype == torch.bfloat16
    numbers = BITS[dtype][1]
    first_of_inputs = _combination(b_rows, around, True)
    then_of_inputs = _combination(b_columns, rows + 2, False)
    first_of_products = _combination(a_rows, around, True)
    then_of_products = _combination(a_columns, rows, False)

    @inlined
    def widened(bits: Any) -> Any:  # to those of a float32
        return np.uint32(bits) << UPPER if half else bits

    @inlined
    def rounded(bits: Any) -> Any:  # to the nearest, to even halfway
        return np.uint16((bits + BELOW_HALF + ((bits >> UPPER) & ODD)) >> UPPER) if half else bits

    @inlined
    def place(tile: int, height: int, width: int) -> Any:  # image, first row and column of outputs
        down, across = (height + rows - 1) // rows, (width + columns - 1) // columns
        return tile // (down * across), tile // across % down * rows, tile % across * columns

    def combine_inputs(x: Any, rectify: bool, first: int, combined: Any) -> None:
        _, height, width, channels = x.shape
        tiles = combined.shape[1]
        for chunk in prange((tiles + TILES - 1) // TILES):
            bits, lines = np.empty(squares * LANES, np.uint32), np.empty(squares * LANES, np.float32)
            square = bits.view(np.float32)
            for tile in range(chunk * TILES, min(tiles, (chunk + 1) * TILES)):
                image, top, left = place(first + tile, height, width)
                for block in range(channels // LANES):
                    channel = block * LANES
                    for i in range(squares):
                        y, z, to = top - 1 + i // around, left - 1 + i % around, i * LANES
                        if y >= 0 and y < height and z >= 0 and z < width:
                            for c in range(LANES):
                                number = widened(x[image, y, z, channel + c])
                                bits[to + c] = np.uint32(0) if rectify and number >= MINUS else number
                        else:
                            for c in range(LANES):
                                bits[to + c] = 0
                    first_of_inputs(square, lines)
                    then_of_inputs(lines, square)
                    for i in range(squares):
                        for c in range(LANES):
                            combined[i, tile, channel + c] = rounded(bits[i * LANES + c])

    def combine_products(
        addresses: Any,
        tiles: int,
        first: int,
        bias: Any,
        result: Any,
        other: Any,
        add: bool,
        rectify: bool,
    ) -> None:
        _, height, width, channels = result.shape
        for chunk in prange((tiles + TILES - 1) // TILES):
            bits, lines = np.empty(squares * LANES, np.uint32), np.empty(squares * LANES, np.float32)
            square = bits.view(np.float32)
            other_bits = np.empty(LANES, np.uint32)
            others = other_bits.view(np.float32)
            for tile in range(chunk * TILES, min(tiles, (chunk + 1) * TILES)):
                image, top, left = place(first + tile, height, width)
                for block in range(channels // LANES):
                    channel = block * LANES
                    for i in range(squares):
                        product: Any = carray(_pointer(addresses[i]), (tiles, channels), numbers)
                        for c in range(LANES):
                            bits[i * LANES + c] = widened(product[tile, channel + c])
                    first_of_products(square, lines)
                    then_of_products(lines, square)
                    for i in range(min(rows, height - top)):
                        for j in range(min(columns, width - left)):
                            at_block = (i * columns + j) * LANES
                            for c in range(LANES):
                                square[at_block + c] += bias[channel + c]
                            if add:
                                for c in range(LANES):
                                    other_bits[c] = widened(other[image, top + i, left + j, channel + c])
                                for c in range(LANES):
                                    square[at_block + c] += others[c]
                            if rectify:
                                for c in range(LANES):
                                    square[at_block + c] = max(square[at_block + c], np.float32(0))
                            for c in range(LANES):
                                result[image, top + i, left + j, channel + c] = rounded(bits[at_block + c])

    bits = from_dtype(np.dtype(numbers))
    images, many = bits[:, :, :, ::1], bits[:, :, ::1]
    addresses, biases = types.uintp[::1], types.float32[::1]
    whole, yes = types.intp, types.boolean
    return TileKernels(
        compiled(combine_inputs, images, yes, whole, many),
        compiled(combine_products, addresses, whole, whole, biases, images, images, yes, yes),
    )
