"""3x3 convolutions by Winograd's minimal filtering, for inference on a CPU.

A tile of m x n outputs depends on (m + 2) x (n + 2) inputs and needs that number of multiplications for each
pair of channels; a direct sum needs 9 m n (Lavin and Gray, CVPR 2016). That is a quarter with 4 x 4 outputs,
a fifth with 6 x 6. Along each axis B transforms the inputs, G the kernel and A their products: y = A [(G w) *
(B x)].
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from model.fast_inference.compilation import use_threads_of_torch
from model.fast_inference.tile_kernels import (
    LANES,
    POINTS,
    TAPS,
    Tile,
    input_transform,
    matrices,
    output_transform,
    view_bits,
)
from model.modules import ALL, PartialConv2d

# Tiles of float32 at strides 4 and 8, and at stride 16, where large tiles reach over the edge and kernels
# take more memory than features. In bfloat16 the rounding error of this tile is 3.7 times that of a direct
# sum; with 4 x 4 it would be 7 times.
FINE_TILE, COARSE_TILE, BFLOAT16_TILE = (6, 6), (4, 4), (2, 4)
FINE = {"res2", "layer1", "layer2", "up_16_8", "up_8_4"}  # parts of networks at strides 4 and 8

# with fewer channels, the transforms take as long as the products save
LEAST_CHANNELS = {torch.float32: LANES, torch.bfloat16: 2 * LANES}
BAND_BYTES = 24 << 20  # bytes of transformed inputs held at once; more would need new memory pages each time


class WinogradConv2d(nn.Module):
    """A 3x3 convolution of stride 1 and padding 1; it is not differentiable.

    Args:
        conv: the convolution. Its transformed kernel has 2.7 to 7 times the numbers; channels are padded to
            multiples of LANES.
        dtype: dtype of input and result.
        tile: rows and columns of a tile's outputs.
    """

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype, tile: Tile) -> None:
        super().__init__()
        self.tile = tile
        input_transform(tile, dtype), output_transform(tile, dtype)  # compiles them before the first frame
        self.outputs = conv.out_channels
        filled = -conv.out_channels % LANES
        no_bias = torch.zeros(conv.out_channels + filled)
        bias = no_bias if conv.bias is None else F.pad(conv.bias.detach().float(), (0, filled))
        self.bias, self.no_bias = bias.numpy().copy(), no_bias.numpy()
        parts = conv.parts if isinstance(conv, PartialConv2d) else (ALL,)
        self.kernels = {}
        for part in parts:
            weight = conv.weight.detach()[:, part]
            weight = F.pad(weight, (0, 0, 0, 0, 0, -weight.shape[1] % LANES, 0, filled))
            self.kernels[_key(part)] = transform_kernels(weight, tile).to(dtype)

    def forward(self, x: Tensor, channels: slice = ALL, bias: bool = True) -> Tensor:
        """Convolve features `N x C x H x W` into `N x O x H x W`, channels last.

        Args:
            x: features of the C input channels in `channels`.
            channels: slice of the convolution's input channels.
            bias: whether to add the bias.
        """
        x = x.permute(0, 2, 3, 1).contiguous()
        if x.shape[3] % LANES:  # F.pad would copy even without padding
            x = F.pad(x, (0, -x.shape[3] % LANES))
        added = self.bias if bias else self.no_bias
        return convolve(x, self.kernels[_key(channels)], self.tile, added)[:, : self.outputs]


def convolve(x: Tensor, kernels: Tensor, tile: Tile, bias: NDArray[np.float32]) -> Tensor:
    """Convolve by tiles; return `N x O x H x W`, channels last. C and O are multiples of LANES.

    Args:
        x: features `N x H x W x C`, contiguous.
        kernels: transformed kernels `P x C x O`.
        tile: rows and columns of a tile's outputs.
        bias: bias `O`.
    """
    images, height, width, _ = x.shape
    # not a view: in training, each in-place operation on a view costs copies in the backward pass
    result = torch.empty(images, len(bias), height, width, dtype=x.dtype, memory_format=torch.channels_last)
    y = view_bits(result.permute(0, 2, 3, 1))
    transform_outputs = output_transform(tile, x.dtype)
    for first, transformed in transform_inputs(x, tile):
        transform_outputs(view_bits(torch.bmm(transformed, kernels)), first, bias, y)
    return result


def transform_inputs(x: Tensor, tile: Tile) -> Iterator[tuple[int, Tensor]]:
    """Yield (index of the first tile, transformed inputs `P x tiles x C`) of bands of tiles.

    Args:
        x: features `N x H x W x C`, contiguous; C is a multiple of LANES.
        tile: rows and columns of a tile's outputs.
    """
    use_threads_of_torch()
    images, height, width, inputs = x.shape
    rows, columns = tile
    count = (rows + 2) * (columns + 2)  # products of a tile
    tiles = images * math.ceil(height / rows) * math.ceil(width / columns)
    at_once = max(1, BAND_BYTES // (count * inputs * x.element_size()))
    at_once = math.ceil(tiles / math.ceil(tiles / at_once))  # bands of equal size
    for first in range(0, tiles, at_once):
        transformed = x.new_empty(count, min(at_once, tiles - first), inputs)
        input_transform(tile, x.dtype)(view_bits(x), first, view_bits(transformed))
        yield first, transformed


def transform_kernels(weight: Tensor, tile: Tile) -> Tensor:
    """Transform the kernels `O x C x 3 x 3` of a convolution for tiles of P products: `P x C x O`."""
    outputs, inputs = weight.shape[:2]
    taps = weight.transpose(0, 1).reshape(inputs * outputs, -1)  # C*O x 9
    return (kernel_transform(tile).to(weight.dtype) @ taps.T).view(-1, inputs, outputs)


def kernel_transform(tile: Tile) -> Tensor:
    """Return the transform of a kernel's taps for a tile of P products, G along both axes: `P x 9`."""
    of_rows, of_columns = (matrices(POINTS[outputs])[1] for outputs in tile)
    return torch.from_numpy(np.kron(of_rows, of_columns))


def use_winograd(network: nn.Module, dtype: torch.dtype) -> None:
    """Replace the suited convolutions of a network by Winograd convolutions in `dtype`, in place."""
    for name, module in [*network.named_modules()]:
        if isinstance(module, nn.Conv2d) and is_suited(module, dtype):
            tile = COARSE_TILE if FINE.isdisjoint(name.split(".")) else FINE_TILE
            tile = BFLOAT16_TILE if dtype == torch.bfloat16 else tile
            network.set_submodule(name, WinogradConv2d(module, dtype, tile))


def is_suited(conv: nn.Conv2d, dtype: torch.dtype) -> bool:
    """Return whether Winograd convolutions support a convolution, and it is wide enough to gain."""
    shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode)
    wide = min(conv.in_channels, conv.out_channels) >= LEAST_CHANNELS[dtype]
    return wide and shape == ((TAPS, TAPS), (1, 1), (1, 1), (1, 1), 1, "zeros")


def _key(part: slice) -> tuple[int | None, int | None]:
    """Return a slice as a dictionary key; slices are hashable only from Python 3.12 on."""
    return part.start, part.stop
