"""3x3 convolutions by Winograd's minimal filtering, for inference on a CPU.

A tile of m x n outputs depends on (m + 2) x (n + 2) inputs and costs as many multiplications for each pair
of channels, where summing up costs 9 for each output (Lavin and Gray, CVPR 2016): a quarter with 4 x 4
outputs, a fifth with 6 x 6. Along each axis inputs are combined by B, kernels by G and their products by A:
y = A [(G w) * (B x)].
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from model.fast_inference.compilation import use_threads_of_torch
from model.fast_inference.replacement import replace_modules
from model.fast_inference.tile_kernels import LANES, bits_of, input_sums, product_sums
from model.fast_inference.toom_cook import POINTS, TAPS, Tile, matrices
from model.modules import ALL, PartialConv2d

# Of float32 at a fourth and an eighth of a frame's size, and at a sixteenth, where large tiles reach over the
# edge and kernels weigh more than what they are applied to. In bfloat16 the error of rounding is 3.7 times
# that of summing up with these tiles, and would be 7 times with 4 x 4.
FINE_TILE, COARSE_TILE, BFLOAT16_TILE = (6, 6), (4, 4), (2, 4)
FINE = {"res2", "layer1", "layer2", "up_16_8", "up_8_4"}  # parts of networks at a fourth and an eighth

# with fewer, combining takes as long as is saved
LEAST_CHANNELS = {torch.float32: LANES, torch.bfloat16: 2 * LANES}
BAND_BYTES = 24 << 20  # of combined inputs held at once: much more would be new pages of memory each time


class WinogradConv2d(nn.Module):
    """Computes what a 3x3 convolution of stride 1 and padding 1 computes. It is not differentiable.

    Args:
        conv: its kernel is kept combined, with 2.7 to 7 times the numbers. Channels are filled up to
            multiples of LANES.
        dtype: to compute in; that of the input.
        tile: outputs of one, down and across.
    """

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype, tile: Tile) -> None:
        super().__init__()
        self.tile = tile
        input_sums(tile, dtype), product_sums(tile, dtype)  # compiled now, not with the first frame
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
            self.kernels[_key(part)] = combined_kernels(weight, tile).to(dtype)

    def forward(self, x: Tensor, channels: slice = ALL, bias: bool = True) -> Tensor:
        """Convolve `N x C x H x W`.

        Args:
            x: the input.
            channels: input channels of the convolution, C in number.
            bias: add it.

        Returns:
            `N x O x H x W`, channels last; a view of more when O is no multiple of LANES.
        """
        x = x.permute(0, 2, 3, 1).contiguous()
        if x.shape[3] % LANES:  # or else padding would copy it for nothing
            x = F.pad(x, (0, -x.shape[3] % LANES))
        added = self.bias if bias else self.no_bias
        return convolve(x, self.kernels[_key(channels)], self.tile, added)[:, : self.outputs]


def convolve(x: Tensor, kernels: Tensor, tile: Tile, bias: NDArray[np.float32]) -> Tensor:
    """Convolve by tiles; C and O are multiples of LANES.

    Args:
        x: the input, `N x H x W x C`, contiguous.
        kernels: combined, `P x C x O`.
        tile: outputs of one, down and across.
        bias: `O`; the result is `N x O x H x W`, channels last.
    """
    images, height, width, _ = x.shape
    # no view, or else each operation on it in place would cost copies on the way back (training)
    result = torch.empty(images, len(bias), height, width, dtype=x.dtype, memory_format=torch.channels_last)
    y = bits_of(result.permute(0, 2, 3, 1))
    combine_products = product_sums(tile, x.dtype)
    for first, combined in combined_inputs(x, tile):
        combine_products(bits_of(torch.bmm(combined, kernels)), first, bias, y)
    return result


def combined_inputs(x: Tensor, tile: Tile) -> Iterator[tuple[int, Tensor]]:
    """Yield the combined inputs of bands of tiles, `P x tiles x C`, and the number of the first tile of each.

    Args:
        x: `N x H x W x C`, contiguous; C is a multiple of LANES.
        tile: outputs of one, down and across.
    """
    use_threads_of_torch()
    images, height, width, inputs = x.shape
    rows, columns = tile
    count = (rows + 2) * (columns + 2)  # products of a tile
    tiles = images * math.ceil(height / rows) * math.ceil(width / columns)
    at_once = max(1, BAND_BYTES // (count * inputs * x.element_size()))
    at_once = math.ceil(tiles / math.ceil(tiles / at_once))  # bands of one size
    for first in range(0, tiles, at_once):
        combined = x.new_empty(count, min(at_once, tiles - first), inputs)
        input_sums(tile, x.dtype)(bits_of(x), first, bits_of(combined))
        yield first, combined


def combined_kernels(weight: Tensor, tile: Tile) -> Tensor:
    """Combine the kernels `O x C x 3 x 3` of a convolution for tiles of P products each: `P x C x O`."""
    outputs, inputs = weight.shape[:2]
    taps = weight.transpose(0, 1).reshape(inputs * outputs, -1)  # C*O x 9
    return (kernel_sums(tile).to(weight.dtype) @ taps.T).view(-1, inputs, outputs)


def kernel_sums(tile: Tile) -> Tensor:
    """Return what combines the taps of a kernel for a tile of P products, G along both axes: `P x 9`."""
    of_rows, of_columns = (matrices(POINTS[outputs])[1] for outputs in tile)
    return torch.from_numpy(np.kron(of_rows, of_columns))


def use_winograd(network: nn.Module, dtype: torch.dtype) -> None:
    """Replace the convolutions in place that are quicker by Winograd's way, to compute in `dtype`."""

    def quicker(name: str, module: nn.Module) -> nn.Module | None:
        if isinstance(module, nn.Conv2d) and is_suited(module, dtype):
            return WinogradConv2d(module, dtype, tile_of(name, dtype))
        return None

    replace_modules(network, quicker)


def tile_of(name: str, dtype: torch.dtype) -> Tile:
    """Return the size of tiles for the convolution of a name in a network."""
    if dtype == torch.bfloat16:
        return BFLOAT16_TILE
    return COARSE_TILE if FINE.isdisjoint(name.split(".")) else FINE_TILE


def is_suited(conv: nn.Conv2d, dtype: torch.dtype) -> bool:
    """Tell whether Winograd's way computes what a convolution computes, and quicker."""
    shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode)
    wide = min(conv.in_channels, conv.out_channels) >= LEAST_CHANNELS[dtype]
    return wide and shape == ((TAPS, TAPS), (1, 1), (1, 1), (1, 1), 1, "zeros")


def _key(part: slice) -> tuple[int | None, int | None]:
    """Return a slice as a key, which it is itself only from Python 3.12 on."""
    return part.start, part.stop
