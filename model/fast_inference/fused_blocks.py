"""Residual blocks for a GPU in which cuDNN computes convolution, bias, shortcut and ReLU in one kernel.

PyTorch has these calls for its compilers. They are used where they exist and give the right result.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.modules import ResBlock
from model.resnet import Bottleneck


class FusedBottleneck(nn.Module):
    """`Bottleneck` with folded batch norms."""

    def __init__(self, block: Bottleneck) -> None:
        super().__init__()
        self.downsample = block.downsample
        self.conv1, self.conv2, self.conv3 = block.conv1, block.conv2, block.conv3

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block; see `Bottleneck` for shapes."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return rectified_sum(self.conv3, rectified(self.conv2, rectified(self.conv1, x)), shortcut)


class FusedResBlock(nn.Module):
    """`ResBlock` with fused kernels."""

    def __init__(self, block: ResBlock) -> None:
        super().__init__()
        self.downsample, self.conv1, self.conv2 = block.downsample, block.conv1, block.conv2

    def forward(self, x: Tensor) -> Tensor:
        """Map `B x in_channels x h x w` to `B x out_channels x h x w`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.conv2(rectified(self.conv1, F.relu(x))).add_(shortcut)


def rectified(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Return the ReLU of a convolution, with bias, of `B x C x H x W`."""
    return torch.cudnn_convolution_relu(x, conv.weight, conv.bias, *geometry(conv))


def rectified_sum(conv: nn.Conv2d, x: Tensor, shortcut: Tensor) -> Tensor:
    """Return the ReLU of a convolution plus a shortcut of the same shape; arguments as for `rectified`."""
    return torch.cudnn_convolution_add_relu(x, conv.weight, shortcut, 1.0, conv.bias, *geometry(conv))


def geometry(conv: nn.Conv2d) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]:
    """Return stride, padding, dilation and groups of a convolution, for cuDNN's calls."""
    assert not isinstance(conv.padding, str)
    return conv.stride, conv.padding, conv.dilation, conv.groups


@torch.inference_mode()
def fuses(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether cuDNN's fused calls exist on a device and give the right result."""
    conv = nn.Conv2d(16, 16, 1).to(device, dtype).to(memory_format=torch.channels_last)
    drawn = torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    x, shortcut = drawn.contiguous(memory_format=torch.channels_last).split(1)
    try:
        fused = torch.stack([rectified(conv, x), rectified_sum(conv, x, shortcut)])
    except (AttributeError, RuntimeError):
        return False
    plain = torch.stack([conv(x).relu(), (conv(x) + shortcut).relu()])
    return torch.allclose(fused, plain, rtol=0.02, atol=0.02)


def fuse_blocks(network: nn.Module) -> None:
    """Replace the blocks of a network with folded batch norms by fused ones, in place."""
    for name, module in [*network.named_modules()]:
        if isinstance(module, Bottleneck):
            network.set_submodule(name, FusedBottleneck(module))
        elif isinstance(module, ResBlock):
            network.set_submodule(name, FusedResBlock(module))
