"""3x3 convolutions by Winograd's minimal filtering, for inference on a CPU.

A tile of m x m outputs depends on (m + 2) x (m + 2) inputs and costs as many multiplications for each pair
of channels, where summing up costs 9 for each output (Lavin and Gray, CVPR 2016): with m = 4, a quarter.
Along each axis inputs are combined by B, kernels by G and their products by A: y = A [(G w) * (B x)].
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.modules import ALL

Matrix = NDArray[np.float64]

TAPS = 3

# Where the polynomials behind B, G and A are evaluated, besides infinity. m is one less than their number.
# Rounding errors are about two and three times those of summing up; with the points of float32, bfloat16
# would have eight times as much.
POINTS = {torch.float32: (0.0, 1.0, -1.0, 0.5, -2.0), torch.bfloat16: (0.0, 1.0, -1.0)}
ONE = 1  # the place of 1 in both: its product counts once in every output, and so carries the bias

LEAST_CHANNELS = 256  # of input and output; with fewer, combining takes as long as is saved
BAND_BYTES = 1 << 24  # of combined inputs held at once, so that they stay in the cache


def matrices(points: Sequence[float]) -> tuple[Matrix, Matrix, Matrix]:
    """Return A `m x (m+2)`, G `(m+2) x 3` and B `(m+2) x (m+2)` of one axis (Toom-Cook)."""
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


def combine(matrix: Matrix, terms: Sequence[Tensor], results: Sequence[Tensor]) -> None:
    """Write `matrix` times `terms` to `results`; each row has two terms at least, and one of factor 1."""
    for row, result in zip(matrix, results, strict=True):
        first, second, *rest = sorted(np.flatnonzero(row).tolist(), key=lambda i: row[i] != 1)
        torch.add(terms[first], terms[second], alpha=row[second], out=result)
        for i in rest:
            result.add_(terms[i], alpha=row[i])


class WinogradConv2d(nn.Module):
    """Computes what a 3x3 convolution of stride 1 and padding 1 computes. It is not differentiable.

    Args:
        conv: its kernel is kept combined, with 4 times the numbers for float32 and 1.8 times for bfloat16.
        dtype: to compute in; that of the input.
    """

    kernel: Tensor  # (m+2)^2 x C x O
    bias: Tensor | None  # O

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.a, g, self.b = matrices(POINTS[dtype])
        both_axes = torch.from_numpy(np.kron(g, g))  # (m+2)^2 x 9
        kernel = torch.empty(len(both_axes), conv.in_channels, conv.out_channels, dtype=dtype)
        for channel, weight in enumerate(conv.weight.detach().permute(1, 2, 3, 0)):  # 3 x 3 x O
            kernel[:, channel] = both_axes @ weight.flatten(0, 1).double()
        self.register_buffer("kernel", kernel)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach().to(dtype))

    def forward(self, x: Tensor, channels: slice = ALL, bias: bool = True) -> Tensor:
        """Convolve `N x C x H x W`; C input channels of the convolution, with or without the bias.

        Returns:
            `N x O x H x W`, channels last; a view of more when H or W are no multiples of m.
        """
        kernel = self.kernel[:, channels]
        images, (height, width) = x.shape[0], x.shape[2:]
        m = len(self.a)
        down, across = math.ceil(height / m), math.ceil(width / m)  # tiles
        padded = x.new_empty(images, down * m + 2, across * m + 2, x.shape[1])
        for border in (padded[:, 0], padded[:, height + 1 :], padded[:, :, 0], padded[:, :, width + 1 :]):
            border.zero_()
        padded[:, 1 : height + 1, 1 : width + 1] = x.permute(0, 2, 3, 1)
        y = x.new_empty(images, down, m, across, m, kernel.shape[2])

        row_bytes = len(kernel) * across * x.shape[1] * x.element_size()
        rows = max(1, BAND_BYTES // row_bytes)  # of tiles
        at_once = max(1, BAND_BYTES // (row_bytes * down))  # images, where all rows of one are less
        for image in range(0, images, at_once):
            for row in range(0, down, rows):
                band = padded[image : image + at_once, row * m : (row + rows) * m + 2]
                out = y[image : image + at_once, row : row + rows]
                self._convolve_band(band, kernel, self.bias if bias else None, out)
        return y.flatten(3, 4).flatten(1, 2)[:, :height, :width].permute(0, 3, 1, 2)

    def _convolve_band(self, padded: Tensor, kernel: Tensor, bias: Tensor | None, out: Tensor) -> None:
        """Convolve some rows of tiles of some images.

        Args:
            padded: `N x (m*rows + 2) x (m*across + 2) x C`.
            kernel: `(m+2)^2 x C x O`.
            bias: `O`, or None.
            out: `N x rows x m x across x m x O`, written.
        """
        images, rows, m, across, _, outputs = out.shape
        inputs, channels = m + 2, padded.shape[-1]
        tiles = (images, rows, across)

        lines = padded.new_empty(inputs, images, rows, padded.shape[2], channels)
        combine(self.b, [padded[:, i : i + m * rows - m + 1 : m] for i in range(inputs)], list(lines))
        combined = padded.new_empty(inputs, inputs, *tiles, channels)
        columns = [lines[:, :, :, i : i + m * across - m + 1 : m] for i in range(inputs)]
        combine(self.b, columns, [combined[:, i] for i in range(inputs)])

        products = torch.bmm(combined.view(len(kernel), -1, channels), kernel)  # (m+2)^2 x tiles x O
        if bias is not None:
            products[ONE * inputs + ONE] += bias

        products = products.view(inputs, inputs, *tiles, outputs)
        lines = padded.new_empty(m, inputs, *tiles, outputs)
        combine(self.a, list(products), list(lines))
        columns = [lines[:, i] for i in range(inputs)]
        combine(self.a, columns, [out[:, :, :, :, i].permute(2, 0, 1, 3, 4) for i in range(m)])


def use_winograd(network: nn.Module, dtype: torch.dtype) -> None:
    """Replace the convolutions in place that are quicker by Winograd's way, to compute in `dtype`."""
    convs = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    for name in convs:  # one after the other: what is replaced makes room
        conv = network.get_submodule(name)
        if isinstance(conv, nn.Conv2d) and is_suited(conv):
            parent, _, attribute = name.rpartition(".")
            setattr(network.get_submodule(parent), attribute, WinogradConv2d(conv, dtype))


def is_suited(conv: nn.Conv2d) -> bool:
    """Tell whether Winograd's way computes what a convolution computes, and quicker."""
    shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode)
    wide = min(conv.in_channels, conv.out_channels) >= LEAST_CHANNELS
    return wide and shape == ((TAPS, TAPS), (1, 1), (1, 1), (1, 1), 1, "zeros")
