"""Stages of the ResNet-50 encoders, and their initialisation.

Both encoders are ResNet-50 (He et al., CVPR 2016) cut after the third stage. Parameter names follow
torchvision's, so that its ImageNet weights and the published checkpoints load by name.
"""

import logging

import torch
import torch.nn.functional as F
from torch import Tensor, nn

log = logging.getLogger(__name__)


class Bottleneck(nn.Module):
    """1x1 reduction, 3x3 with the stride, 1x1 expansion to four times the width, and a shortcut.

    Shapes: `B x in_channels x H x W` -> `B x 4*width x H/stride x W/stride`.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, bias: bool) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=bias)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=bias)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=bias)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=bias),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block; see the class for shapes."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return F.relu(self.bn3(self.conv3(x)).add_(shortcut), inplace=True)


def make_stage(in_channels: int, width: int, blocks: int, stride: int, bias: bool) -> nn.Sequential:
    """Return one ResNet stage of `blocks` bottlenecks; the first one has the stride."""
    out_channels = width * Bottleneck.expansion
    return nn.Sequential(
        Bottleneck(in_channels, width, stride, bias),
        *(Bottleneck(out_channels, width, 1, bias) for _ in range(blocks - 1)),
    )


def imagenet_state_dict() -> dict[str, Tensor] | None:
    """Return torchvision's ImageNet weights of ResNet-50, or None, with a warning, if not available."""
    from torchvision.models import ResNet50_Weights  # takes seconds to import; only training needs it

    try:
        return ResNet50_Weights.IMAGENET1K_V1.get_state_dict(progress=True)
    except (OSError, RuntimeError) as error:  # URLError is an OSError, a damaged file a RuntimeError
        log.warning("ImageNet weights are not available (%s): the encoders start from scratch.", error)
        return None


@torch.no_grad()
def load_imagenet(trunk: nn.Module, imagenet: dict[str, Tensor]) -> None:
    """Initialise an encoder trunk in place from torchvision's ImageNet weights.

    Every tensor of the trunk is copied by name. Input channels of `conv1` beyond RGB are orthogonal;
    convolution biases, which torchvision's network does not have, are zero.
    """
    for name, tensor in trunk.state_dict().items():
        source = imagenet.get(name.replace("res2.", "layer1."))
        if source is None:
            tensor.zero_()
        elif name == "conv1.weight":
            tensor[:, :3].copy_(source)
            if tensor.shape[1] > 3:
                tensor[:, 3:].copy_(orthogonal_channels(tensor.shape[1] - 3))
        else:
            tensor.copy_(source)


def orthogonal_channels(count: int) -> Tensor:
    """Return orthogonal `conv1` weights for `count` extra input channels: `64 x count x 7 x 7`."""
    return nn.init.orthogonal_(torch.empty(64, count, 7, 7))
