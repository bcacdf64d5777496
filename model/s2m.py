"""The scribble-to-mask network: DeepLabV3+ on ResNet-50 (Chen et al., ECCV 2018; MiVOS section 3.1).

Attribute names are a public file format (the published checkpoint); they must not change. Most of the
network is torchvision's, whose names are the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUTS = 6  # RGB, previous mask, positive scribbles, negative scribbles
STRIDE = 16  # H and W of what it is given are multiples


class S2MNetwork(nn.Module):
    """One object's mask from a frame, the object's mask of before, and scribbles on it and beside it."""

    def __init__(self) -> None:
        # torchvision takes seconds to import
        from torchvision.models import resnet50
        from torchvision.models._utils import IntermediateLayerGetter

        super().__init__()
        trunk = resnet50(weights=None, replace_stride_with_dilation=[False, False, True])
        trunk.conv1 = nn.Conv2d(INPUTS, 64, 7, stride=2, padding=3, bias=False)
        self.backbone = IntermediateLayerGetter(trunk, {"layer1": "low", "layer4": "out"})
        self.classifier = MaskHead()

    def forward(self, x: Tensor) -> Tensor:
        """Return mask logits `B x 1 x H x W`, float32.

        Args:
            x: `B x 6 x H x W`: the frame, normalised; the object's previous mask, the scribbles on it and
                those beside it, each 0 or 1.
        """
        x = x.to(self.backbone.conv1.weight.dtype)
        features = self.backbone(x)
        logits = self.classifier(features["low"], features["out"]).float()
        return F.interpolate(logits, size=x.shape[-2:], mode="bilinear", align_corners=False)


class MaskHead(nn.Module):
    """Joins features of stride 4 and 16 into one logit: spatial pyramid pooling, then two convolutions."""

    def __init__(self) -> None:
        from torchvision.models.segmentation.deeplabv3 import ASPP

        super().__init__()
        self.project = nn.Sequential(
            nn.Conv2d(256, 48, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU(inplace=True)
        )
        self.aspp = ASPP(2048, [6, 12, 18])
        self.aspp.project[3].p = 0.1  # of dropout
        self.classifier = nn.Sequential(
            nn.Conv2d(304, 256, 3, padding=1, bias=False),
            nn.BatchNorm2d(256),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 1, 1),
        )

    def forward(self, low: Tensor, out: Tensor) -> Tensor:
        """Map `B x 256 x H/4 x W/4` and `B x 2048 x H/16 x W/16` to `B x 1 x H/4 x W/4`."""
        coarse = self.aspp(out)
        coarse = F.interpolate(coarse, size=low.shape[-2:], mode="bilinear", align_corners=False)
        logits: Tensor = self.classifier(torch.cat([self.project(low), coarse], dim=1))
        return logits
