"""Masks carried by the memory read alone.

In training from scratch the way through values and decoder teaches keys little at first. The read can carry
the masks of the memory as it carries values: compared with the truth, they teach keys directly.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from model.aggregation import aggregate_logits
from model.memory import read

STRIDE = 16  # pixels from one position of the memory to the next; the first is at the corner of the picture
DOUBT = 0.01  # least probability of either answer, so that no single position weighs without bound


def carried_logits(
    memory_key: Tensor,
    masks: Sequence[Tensor],
    query_key: Tensor,
    grid: tuple[int, int],
    selector: Tensor | None,
) -> Tensor:
    """Return aggregated logits `B x (K+1) x H x W` of masks carried from remembered frames to queried ones.

    Args:
        memory_key: `(B*K) x positions x Ck`, float32, of all remembered frames.
        masks: of each remembered frame, `B x K x H x W`, 0 to 1.
        query_key: `B x (h*w) x Ck`, float32, of the B frames to carry them to.
        grid: h, w.
        selector: `B x K`, 0 for an object that a sample has not: its probability is 0 throughout.
    """
    batch, objects, height, width = masks[0].shape
    values = torch.cat([at_positions(mask.float()) for mask in masks], dim=1)
    carried = read(memory_key, values, query_key.repeat_interleave(objects, dim=0), width=grid[1])
    coarse = carried.squeeze(-1).unflatten(1, grid).unflatten(0, (batch, objects))
    prob = DOUBT + (1 - 2 * DOUBT) * between_positions(coarse, height, width)
    if selector is not None:
        prob = prob * selector[:, :, None, None]
    return aggregate_logits(prob, dim=1)


def at_positions(masks: Tensor) -> Tensor:
    """Return masks `B x K x H x W` as values of the memory, `(B*K) x positions x 1`: the mean about each."""
    height, width = (side // STRIDE for side in masks.shape[-2:])
    means = F.avg_pool2d(masks, STRIDE, padding=STRIDE // 2, count_include_pad=False)
    return means[..., :height, :width].flatten(0, 1).flatten(1).unsqueeze(-1)


def between_positions(coarse: Tensor, height: int, width: int) -> Tensor:
    """Interpolate values `B x K x h x w` at the positions to every pixel, `B x K x height x width`."""
    padded = F.pad(coarse, (1, 1, 1, 1), mode="replicate")
    fine = F.interpolate(padded, scale_factor=STRIDE, mode="bilinear", align_corners=False)
    start = STRIDE * 3 // 2  # the middle of the first cell that is not padding
    return fine[..., start : start + height, start : start + width]
