"""The difference-aware fusion network: joins an object's old and new mask of a frame (MiVOS section 3.3).

Attribute names are a public file format (the published checkpoint); they must not change.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUTS = 9  # RGB, old and new probability, attention (2), time (2)
WIDTH = 32


def _two_convolutions() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
    )


class FusionNetwork(nn.Module):
    """A few convolutions at the size of the frame, for one object at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(INPUTS, WIDTH, 3, padding=1), nn.ReLU(inplace=True))
        self.conv2 = _two_convolutions()
        self.conv3 = _two_convolutions()
        self.final_conv = nn.Conv2d(WIDTH, 1, 3, padding=1)

    def forward(self, frame: Tensor, old: Tensor, new: Tensor, attention: Tensor, time: Tensor) -> Tensor:
        """Return mask logits `B x 1 x H x W`, float32.

        Args:
            frame: `B x 3 x H x W`, normalised.
            old: `B x 1 x H x W`, the object's probability as it was.
            new: `B x 1 x H x W`, as it was propagated from the frame just corrected.
            attention: `B x 2 x H x W`, where the correction added to the object and where it took away.
            time: `B x 2`, distances from the other interacted frame and from the corrected one, as parts.
        """
        planes = time[:, :, None, None].expand(-1, -1, *frame.shape[-2:])
        x = torch.cat([frame, old, new, attention, planes], dim=1).to(self.final_conv.weight.dtype)
        x = self.conv1(x)
        x = F.relu(x + self.conv2(x), inplace=True)
        x = F.relu(x + self.conv3(x), inplace=True)
        logits: Tensor = self.final_conv(x)
        return logits.float()
