"""Winograd convolutions with gradients, for training steps in float32 on a CPU.

The gradient of the inputs is a convolution of the outputs' gradient with kernels rotated by 180 degrees. The
gradient of the kernels is the sum over all tiles of the products of transformed inputs with A^T dy,
transformed by G^T.
"""

import math
import threading
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from model.fast_inference.tile_kernels import LANES, TAPS, Tile, gradient_transform, view_bits
from model.fast_inference.winograd import convolve, is_suited, kernel_transform, transform_inputs
from model.modules import ALL, PartialConv2d

TILE: Tile = (4, 4)
# Measured on an AMD EPYC (Zen 4): 64 channels gain nothing, and with few tiles the transform of the kernels
# takes longer than the products save.
LEAST_TILES = 100
LEAST_CHANNELS = 2 * LANES

_kept = threading.local()


class WinogradTrainedConv2d(nn.Module):
    """A 3x3 convolution of stride and padding 1, with the same parameters under the same names as `conv`."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias

    def forward(self, x: Tensor, channels: slice = ALL, bias: bool = True) -> Tensor:
        """Convolve features `B x C x h x w` of the C input channels in `channels`, with or without bias."""
        weight = self.weight if channels == ALL else self.weight[:, channels]
        added = self.bias if bias else None
        if not is_gain(x):
            return F.conv2d(x, weight, added, padding=1)
        result: Tensor = WinogradConvolution.apply(x.permute(0, 2, 3, 1).contiguous(), weight, added)
        return result


class WinogradConvolution(torch.autograd.Function):
    """The convolution of channels-last features; the numbers of channels are multiples of LANES."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve `N x H x W x C` by kernels `O x C x 3 x 3`; return `N x O x H x W`, all float32."""
        ctx.save_for_backward(x, weight)
        added = x.new_zeros(len(weight)) if bias is None else bias.detach()
        return convolve(x, transform_weight(weight, turned=False).transpose(1, 2), TILE, added.numpy())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return the gradients of all arguments from that of the result, `N x O x H x W`."""
        x, weight = ctx.saved_tensors
        gradient = gradient.permute(0, 2, 3, 1).contiguous()
        of_x = of_weight = of_bias = None
        with torch.autocast("cpu", enabled=False):
            if ctx.needs_input_grad[0]:
                no_bias = np.zeros(x.shape[3], np.float32)
                turned = transform_weight(weight, turned=True)
                of_x = convolve(gradient, turned, TILE, no_bias).permute(0, 2, 3, 1)
            if ctx.needs_input_grad[1]:
                of_weight = weight_gradient(x, gradient)
            if ctx.needs_input_grad[2]:
                of_bias = gradient.sum(dim=(0, 1, 2))
        return of_x, of_weight, of_bias


def use_winograd_in_training(network: nn.Module) -> None:
    """Replace the wide convolutions of a network by Winograd convolutions; weights and names stay."""
    for name, module in [*network.named_modules()]:
        if isinstance(module, nn.Conv2d) and is_wide(module):
            network.set_submodule(name, WinogradTrainedConv2d(module))


def is_wide(conv: nn.Conv2d) -> bool:
    """Return whether a convolution and each part of its input channels are wide enough to gain."""
    parts = conv.parts if isinstance(conv, PartialConv2d) else (ALL,)
    widths = [conv.out_channels, *(len(range(conv.in_channels)[part]) for part in parts)]
    whole_blocks = all(width % LANES == 0 and width >= LEAST_CHANNELS for width in widths)
    return whole_blocks and is_suited(conv, torch.float32)


def is_gain(x: Tensor) -> bool:
    """Return whether features `N x C x H x W` are float32 on a CPU and have enough tiles to gain."""
    tiles = len(x) * math.ceil(x.shape[2] / TILE[0]) * math.ceil(x.shape[3] / TILE[1])
    in_float32 = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return tiles >= LEAST_TILES and in_float32 and x.device.type == "cpu"


def transform_weight(weight: Tensor, turned: bool) -> Tensor:
    """Transform kernels `O x C x 3 x 3`, if `turned` rotated by 180 degrees, to `P x O x C`.

    The next call in the same thread overwrites the result.
    """
    transform = kernel_transform(TILE).to(weight.dtype)  # P x 9
    taps = weight.permute(2, 3, 0, 1).reshape(TAPS * TAPS, -1)  # 9 x O*C
    result = kept_memory("kernels", len(transform), *weight.shape[:2])
    torch.mm(transform.flip(1) if turned else transform, taps, out=result.flatten(1))
    return result


def weight_gradient(x: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient of the kernels, `O x C x 3 x 3`.

    Args:
        x: input of the convolution, `N x H x W x C`.
        gradient: gradient of its result, `N x H x W x O`.
    """
    transform = kernel_transform(TILE).to(x.dtype)  # P x 9
    of_products = kept_memory("gradient", len(transform), gradient.shape[3], x.shape[3])
    for first, inputs in transform_inputs(x, TILE):  # P x tiles x C
        results = x.new_empty(*inputs.shape[:2], gradient.shape[3])
        gradient_transform(TILE, x.dtype)(view_bits(gradient), first, view_bits(results))
        of_products.baddbmm_(results.transpose(1, 2), inputs, beta=1 if first else 0)
    of_taps = transform.T @ of_products.transpose(0, 1)  # O x 9 x C, channels last
    return of_taps.unflatten(1, (TAPS, TAPS)).permute(0, 3, 1, 2)


def kept_memory(purpose: str, *shape: int) -> Tensor:
    """Return float32 memory that this thread keeps and reuses for a purpose.

    Large freed pieces go back to the operating system, and clearing new pages takes as long as the products.
    """
    size, memory = math.prod(shape), _kept.__dict__.setdefault(purpose, torch.empty(0))
    if len(memory) < size:
        with torch.inference_mode(False):  # training cannot write to inference tensors
            memory = _kept.__dict__[purpose] = torch.empty(size)
    return memory[:size].view(shape)
