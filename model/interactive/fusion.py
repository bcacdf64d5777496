"""Difference-aware fusion: two segmentations of a frame become one (MiVOS section 3.3).

After a correction on frame r, a frame t between r and the interacted frame c beyond it has a mask from
before and one that was propagated from r. What the correction changed on r (the difference D), moved to t
by the correspondence of the two frames, and how near r and c are say which to believe where.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.memory import read, to_map, to_rows

INPUTS = 9  # RGB, old and new probability, attention (2), time (2)
WIDTH = 32


class FusionNetwork(nn.Module):
    """Blends two probabilities of an object; attribute names are a public file format (`fusion.pth`)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(INPUTS, WIDTH, 3, padding=1), nn.ReLU(inplace=True))
        self.conv2 = _residual()
        self.conv3 = _residual()
        self.final_conv = nn.Conv2d(WIDTH, 1, 3, padding=1)

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters; what the network is given is brought to it."""
        return self.final_conv.weight.dtype

    def forward(self, x: Tensor) -> Tensor:
        """Map `B x 9 x H x W` (see `fuse`) to logits `B x 1 x H x W`, float32."""
        x = self.conv1(x.to(self.dtype))
        x = F.relu(self.conv2(x).add_(x), inplace=True)
        x = F.relu(self.conv3(x).add_(x), inplace=True)
        return self.final_conv(x).float()


def _residual() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
    )


def time_shares(target: int, corrected: int, other: int) -> tuple[float, float]:
    """Return how far frame `target` is from `other` and from `corrected`, as shares of their distance.

    Args:
        target: the frame t to be fused, between the two.
        corrected: the frame r that was just interacted with.
        other: the nearest interacted frame c on the other side.
    """
    distance = abs(other - corrected)
    return abs(other - target) / distance, abs(corrected - target) / distance


def moved_difference(difference: Tensor, key: Tensor, query_key: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the attention: what a correction added and took away, moved to another frame.

    Moving by the correspondence W is the memory read without top-k (see `model.correspondence`), of the
    difference instead of a value, so W is never held as a whole.

    Args:
        difference: D, `K x H x W`: the new masks of the corrected frame minus the probabilities before.
        key: memory keys of the corrected frame with its new masks, `K x (h*w) x 128`.
        query_key: query key of the other frame, `1 x (h*w) x 128`.
        grid: h, w; H and W are multiples of them.

    Returns:
        `K x 2 x H x W` in [0, 1]: what was added, what was taken away.
    """
    signed = torch.stack([difference, -difference], dim=1).clamp_(0, 1)  # K x 2 x H x W
    coarse = F.adaptive_avg_pool2d(signed, grid)
    moved = read(key, to_rows(coarse), query_key.expand(len(key), -1, -1), width=grid[1])
    return F.interpolate(
        to_map(moved, grid), size=difference.shape[-2:], mode="bilinear", align_corners=False
    )


def fuse(
    network: FusionNetwork,
    frame: Tensor,
    old: Tensor,
    new: Tensor,
    attention: Tensor,
    shares: tuple[float, float],
) -> Tensor:
    """Return the logits of the fused masks; their sigmoid is to be aggregated.

    Args:
        network: on the device of the tensors.
        frame: `3 x H x W`, normalised.
        old: probabilities of K objects before the correction, `K x H x W`.
        new: those propagated from the corrected frame, `K x H x W`.
        attention: of `moved_difference`, `K x 2 x H x W`.
        shares: of `time_shares`.

    Returns:
        `K x H x W`, float32.
    """
    return network(fusion_input(frame, old, new, attention, shares)).squeeze(1)


def fusion_input(
    frame: Tensor, old: Tensor, new: Tensor, attention: Tensor, shares: tuple[float, float] | Tensor
) -> Tensor:
    """Return what the network takes, `K x 9 x H x W`; arguments as of `fuse`."""
    frames = frame.expand(len(old), -1, -1, -1)
    times = torch.as_tensor(shares, dtype=frame.dtype, device=frame.device)
    planes = times.view(1, 2, 1, 1).expand(len(old), -1, *frame.shape[-2:])
    x = torch.cat([frames, old.unsqueeze(1), new.unsqueeze(1), attention, planes], dim=1)
    return x.contiguous(memory_format=torch.channels_last)
