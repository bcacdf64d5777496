"""Convolutions with what follows them (bias, shortcut, ReLU) in one pass over memory, on an NVIDIA GPU.

By themselves these are passes of their own, each as long as a 1x1 convolution.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
        x = rectified(self.conv2, rectified(self.conv1, x))
        return torch.cudnn_convolution_add_relu(
            x, self.conv3.weight, shortcut, 1.0, self.conv3.bias, *geometry(self.conv3)
        )


class FusedResBlock(ResBlock):
    """`ResBlock`."""

    def forward(self, x: Tensor) -> Tensor:
        """Map `B x in_channels x h x w` to `B x out_channels x h x w`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.conv2(rectified(self.conv1, F.relu(x))).add_(shortcut)


def rectified(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Return the ReLU of a convolution of `B x C x H x W`."""
    return torch.cudnn_convolution_relu(x, conv.weight, conv.bias, *geometry(conv))


def geometry(conv: nn.Conv2d) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]:
    """Return stride, padding, dilation and groups of a convolution, as cuDNN's take them."""
    assert not isinstance(conv.padding, str)
    return conv.stride, conv.padding, conv.dilation, conv.groups


def has_cudnn() -> bool:
    """Tell whether convolutions on GPUs are NVIDIA's cuDNN."""
    return torch.version.cuda is not None and torch.backends.cudnn.is_available()


def fuse_what_follows(network: nn.Module) -> None:
    """Let the blocks of a network, whose batch norms have been folded, compute in fewer passes, in place."""
    for module in network.modules():
        if type(module) is Bottleneck:
            module.__class__ = FusedBottleneck
        elif type(module) is ResBlock:
            module.__class__ = FusedResBlock
        elif isinstance(module, (RGBEncoder, MaskRGBEncoder)):
            module.conv1.__class__ = ReLUConv2d
