"""Blocks of the networks in fewer passes over memory: convolutions with bias, shortcut and ReLU in one.

By themselves these are passes of their own; on a GPU each takes as long as a 1x1 convolution. That a
convolution does with them is what cuDNN and oneDNN offer, by calls that PyTorch has for its own compilers:
they are used where they exist and compute the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.fast_inference.winograd import WinogradConv2d
from model.modules import MaskRGBEncoder, ResBlock, RGBEncoder
from model.resnet import Bottleneck


class ReLUConv2d(nn.Conv2d):
    """A convolution with bias whose result is rectified."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve `B x C x H x W`."""
        return rectified(self, x)


class FusedBottleneck(Bottleneck):
    """`Bottleneck`, its batch norms folded."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block; see `Bottleneck` for shapes."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return rectified_sum(self.conv3, rectified(self.conv2, rectified(self.conv1, x)), shortcut)


class FusedResBlock(ResBlock):
    """`ResBlock`."""

    def forward(self, x: Tensor) -> Tensor:
        """Map `B x in_channels x h x w` to `B x out_channels x h x w`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        hidden = rectified(self.conv1, F.relu(x))
        conv: nn.Module = self.conv2
        if isinstance(conv, WinogradConv2d):
            return conv(hidden, added=shortcut)
        return conv(hidden).add_(shortcut)


def rectified(conv: nn.Module, x: Tensor) -> Tensor:
    """Return the ReLU of a convolution of `B x C x H x W`; `conv` is a `Conv2d` with bias, or Winograd's."""
    if isinstance(conv, WinogradConv2d):
        return conv(x, relu=True)
    assert isinstance(conv, nn.Conv2d) and not isinstance(conv.padding, str)
    if x.is_cuda:
        geometry = conv.stride, conv.padding, conv.dilation, conv.groups
        return torch.cudnn_convolution_relu(x, conv.weight, conv.bias, *geometry)
    geometry = conv.padding, conv.stride, conv.dilation, conv.groups
    pointwise = torch.ops.mkldnn._convolution_pointwise
    return pointwise(x, conv.weight, conv.bias, *geometry, "relu", [], "")


def rectified_sum(conv: nn.Conv2d, x: Tensor, shortcut: Tensor) -> Tensor:
    """Return the ReLU of a convolution plus a shortcut of the same shape; arguments as for `rectified`."""
    assert not isinstance(conv.padding, str)
    if x.is_cuda:
        geometry = conv.stride, conv.padding, conv.dilation, conv.groups
        return torch.cudnn_convolution_add_relu(x, conv.weight, shortcut, 1.0, conv.bias, *geometry)
    geometry = conv.padding, conv.stride, conv.dilation, conv.groups
    pointwise = torch.ops.mkldnn._convolution_pointwise.binary
    return pointwise(x, shortcut, conv.weight, conv.bias, *geometry, "add", 1.0, "relu", [], "")


@torch.inference_mode()
def fuses(device: torch.device, dtype: torch.dtype) -> bool:
    """Tell whether the libraries of a device convolve and do what follows in one, and do it right."""
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
    """Let the blocks of a network, whose batch norms have been folded, compute in fewer passes, in place."""
    for module in network.modules():
        if type(module) is Bottleneck:
            module.__class__ = FusedBottleneck
        elif type(module) is ResBlock:
            module.__class__ = FusedResBlock
        elif isinstance(module, (RGBEncoder, MaskRGBEncoder)):
            module.conv1.__class__ = ReLUConv2d
