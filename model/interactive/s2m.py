"""The scribble-to-mask network (S2M): segments a frame by a user's scribbles (MiVOS section 3.1).

It is DeepLabV3+ (Chen et al., ECCV 2018) on ResNet-50. Trunk and ASPP are torchvision's modules. Attribute
names must not change: they are the names in the published `s2m.pth`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUTS = 6  # RGB, previous mask, positive scribbles, negative scribbles
RATES = (6, 12, 18)  # dilations of the ASPP
DROPOUT = 0.1
LOW_CHANNELS, TRUNK_CHANNELS = 256, 2048  # output channels of stages 1 and 4


class DeepLabHead(nn.Module):
    """Combines the trunk's last stage, at several scales, with its first one."""

    def __init__(self) -> None:
        from torchvision.models.segmentation.deeplabv3 import ASPP  # takes seconds to import

        super().__init__()
        self.project = nn.Sequential(
            nn.Conv2d(LOW_CHANNELS, 48, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU(inplace=True)
        )
        self.aspp = ASPP(TRUNK_CHANNELS, RATES)  # maps to 256 channels
        self.aspp.project[-1] = nn.Dropout(DROPOUT)
        self.classifier = nn.Sequential(
            nn.Conv2d(48 + 256, 256, 3, padding=1, bias=False),
            nn.BatchNorm2d(256),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 1, 1),
        )

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Map `B x 256 x H/4 x W/4` and `B x 2048 x H/16 x W/16` to logits `B x 1 x H/4 x W/4`."""
        low = self.project(low)
        high = F.interpolate(self.aspp(high), size=low.shape[-2:], mode="bilinear", align_corners=False)
        return self.classifier(torch.cat([low, high], dim=1))


class S2MNetwork(nn.Module):
    """Segments one object by scribbles; batch norm is trained, unlike in the propagation network."""

    def __init__(self) -> None:
        from torchvision.models import resnet50  # takes seconds to import

        super().__init__()
        self.backbone = resnet50(replace_stride_with_dilation=[False, False, True])
        self.backbone.conv1 = nn.Conv2d(INPUTS, 64, 7, stride=2, padding=3, bias=False)
        del self.backbone.avgpool, self.backbone.fc
        self.classifier = DeepLabHead()

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Encode `B x 6 x H x W` into stage 1 `B x 256 x H/4 x W/4` and 4 `B x 2048 x H/16 x W/16`."""
        trunk = self.backbone
        low = trunk.layer1(trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(x)))))
        return low, trunk.layer4(trunk.layer3(trunk.layer2(low)))

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 logits `B x 1 x H x W` of an object.

        Args:
            x: `B x 6 x H x W`: normalised RGB; previous mask, positive and negative scribbles, each 0 or 1. H
                and W are multiples of 16.
        """
        logits = self.classifier(*self.features(x.to(self.backbone.conv1.weight.dtype))).float()
        return F.interpolate(logits, size=x.shape[-2:], mode="bilinear", align_corners=False)
