"""Difference-aware fusion of two segmentations of a frame (MiVOS section 3.3).

After a correction on frame r, a frame t between r and the next interacted frame c has an old mask and a mask
propagated from r. The network weighs them by the difference D that the correction made on r, transferred to t
by the correspondence of the two frames, and by the distances from t to r and c.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.memory import read, to_map, to_rows

INPUTS = 9  # RGB, old and new probability, attention (2), time (2)
WIDTH = 32


class FusionNetwork(nn.Module):
    """Fuses two probabilities of an object; attribute names are those of the published `fusion.pth`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(INPUTS, WIDTH, 3, padding=1), nn.ReLU(inplace=True))
        self.conv2 = _residual()
        self.conv3 = _residual()
        self.final_conv = nn.Conv2d(WIDTH, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `B x 9 x H x W` (see `fuse`) to logits `B x 1 x H x W`, float32."""
        x = self.conv1(x.to(self.final_conv.weight.dtype))
        x = F.relu(self.conv2(x).add_(x), inplace=True)
        x = F.relu(self.conv3(x).add_(x), inplace=True)
        return self.final_conv(x).float()


def _residual() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
    )


def time_shares(target: int, corrected: int, other: int) -> tuple[float, float]:
    """Return the distances of frame `target` from `other` and from `corrected`, relative to their distance.

    Args:
        target: frame t to fuse, between the two.
        corrected: corrected frame r.
        other: nearest interacted frame c on the other side.
    """
    distance = abs(other - corrected)
    return abs(other - target) / distance, abs(corrected - target) / distance


def transfer_difference(difference: Tensor, key: Tensor, query_key: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the attention: the parts that a correction added and removed, transferred to another frame.

    The transfer by the correspondence W is the memory read without top-k (see `model.correspondence`), with
    the difference as value; so W is never stored as a whole.

    Args:
        difference: difference D, `K x H x W`: new masks of the corrected frame minus the old probabilities.
        key: memory keys of the corrected frame with its new masks, `K x (h*w) x 128`.
        query_key: query key of the other frame, `1 x (h*w) x 128`.
        grid: h, w; H and W are multiples of them.

    Returns:
        `K x 2 x H x W` in [0, 1]: added parts, removed parts.
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
    """Return the float32 logits of the fused masks, `K x H x W`, before aggregation.

    Args:
        network: the fusion network, in eval mode, on the device of the tensors.
        frame: normalised frame `3 x H x W`.
        old: probabilities of K objects before the correction, `K x H x W`.
        new: probabilities propagated from the corrected frame, `K x H x W`.
        attention: result of `transfer_difference`, `K x 2 x H x W`.
        shares: result of `time_shares`.
    """
    return network(fusion_input(frame, old, new, attention, shares)).squeeze(1)


def fusion_input(
    frame: Tensor, old: Tensor, new: Tensor, attention: Tensor, shares: tuple[float, float] | Tensor
) -> Tensor:
    """Return the input of the network, `K x 9 x H x W`; arguments as in `fuse`."""
    frames = frame.expand(len(old), -1, -1, -1)
    times = torch.as_tensor(shares, dtype=frame.dtype, device=frame.device)
    planes = times.view(1, 2, 1, 1).expand(len(old), -1, *frame.shape[-2:])
    x = torch.cat([frames, old.unsqueeze(1), new.unsqueeze(1), attention, planes], dim=1)
    return x.contiguous(memory_format=torch.channels_last)
