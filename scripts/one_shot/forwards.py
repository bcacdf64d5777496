"""The forward passes of a one-shot fit: first of the keys alone, then of the whole network."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from model.aggregation import aggregate_logits
from model.memory import read, to_rows
from model.modules import cat_frame_and_masks
from model.network import PropagationNetwork
from model.training.forward import TrainingForward, Truth
from model.training.propagation_forward import PropagationForward, segment
from util.device import amp_dtype

STRIDE = 16  # pixels from one memory position to the next; the first is at the corner of the picture
DOUBT = 0.01  # lower limit of both probabilities; bounds the loss of a position


class KeyForward(PropagationForward):
    """Carries the masks of frame 0 of each sample to frames 1 and 2 by the memory read alone.

    It trains both encoders and key heads, in a fifth of the time of `PropagationForward`: from scratch, the
    gradients that pass values and decoder teach the keys little at first.
    """

    def forward(self, rgb: Tensor, masks: Tensor, selector: Tensor | None = None) -> Tensor:
        """Return aggregated logits of frames 1 and 2; arguments and shapes as in `PropagationForward`."""
        network = self.network
        with torch.autocast(rgb.device.type, amp_dtype(rgb.device), enabled=self.amp):
            f16, _, _ = network.rgb_encoder(rgb[:, 1:].transpose(0, 1).flatten(0, 1))
            query_map = network.kv_q_f16.key_proj(f16)
            with_masks = cat_frame_and_masks(rgb[:, 0], masks, network.single_object)
            memory_key = to_rows(network.kv_m_f16.key_proj(network.mask_rgb_encoder(with_masks)))
        grid = (query_map.shape[-2], query_map.shape[-1])
        frames = to_rows(query_map).float().split(len(rgb))  # one frame after the other
        carried = [carried_logits(memory_key.float(), [masks], key, grid, selector) for key in frames]
        return torch.stack(carried, dim=1)


class RememberedForward(TrainingForward):
    """Segments frame 2 of each sample, with frames 0 and 1 and their masks in memory.

    Most videos are lost by small mistakes that grow. So the remembered mask of frame 1 may have some, and the
    truth of frame 2 has none. It takes three fifths of the time of `PropagationForward`.

    Args:
        network: the propagation network, trained in place.
        amp: as in `TrainingForward`.
        carry_masks: whether to also return the masks read from memory without decoder, as a further frame
            with the truth of frame 2.
    """

    network: PropagationNetwork

    def __init__(self, network: PropagationNetwork, amp: bool = False, carry_masks: bool = False) -> None:
        super().__init__(network, amp)
        self.carry_masks = carry_masks

    def inputs(self, batch: Mapping[str, Tensor]) -> tuple[Tensor | None, ...]:
        """Return frames, remembered masks, the true masks of frames 0 and 1, and the selector.

        Args:
            batch: as for `PropagationForward`, and `remembered` `B x 2 x 2 x H x W` (frame, object).
        """
        true = torch.cat([batch[name][:, :2] for name in ("gt", "sec_gt") if name in batch], dim=2)
        return batch["rgb"], batch["remembered"][:, :, : true.shape[2]], true, batch.get("selector")

    def truth(self, batch: Mapping[str, Tensor]) -> Truth:
        """Return the classes of frame 2, once for each frame that `forward` returns, and the selector."""
        times = 2 if self.carry_masks else 1
        return Truth(batch["cls_gt"][:, 2:].repeat(1, times, 1, 1), batch.get("selector"))

    def forward(
        self, rgb: Tensor, masks: Tensor, true_masks: Tensor, selector: Tensor | None = None
    ) -> Tensor:
        """Return the aggregated logits of frame 2, `B x 1 x (K+1) x H x W` (2 frames with `carry_masks`).

        Args:
            rgb: normalised frames `B x 3 x 3 x H x W`.
            masks: remembered masks of the K objects on frames 0 and 1, `B x 2 x K x H x W`, 0 or 1.
            true_masks: true masks of the same shape, for `carry_masks`.
            selector: `B x K`, 0 for an object that a sample lacks; None when all objects exist.
        """
        shape = (masks.shape[0], masks.shape[1], masks.shape[2])
        with torch.autocast(rgb.device.type, amp_dtype(rgb.device), enabled=self.amp):
            query = self.network.encode_query(rgb[:, 2])
            encoded = self.network.encode_memory(rgb[:, :2].flatten(0, 1), masks.flatten(0, 1))
            # (B*2*K) x h*w x channels, to the positions of both frames: (B*K) x 2*h*w x channels
            key, value = (
                rows.unflatten(0, shape).transpose(1, 2).flatten(2, 3).flatten(0, 1) for rows in encoded
            )
            frames = [segment(self.network, (key, value), query, selector)]
        if self.carry_masks:
            known = true_masks.unbind(dim=1)
            frames.append(carried_logits(key.float(), known, query.key.float(), query.grid, selector))
        return torch.stack(frames, dim=1)


def carried_logits(
    memory_key: Tensor,
    masks: Sequence[Tensor],
    query_key: Tensor,
    grid: tuple[int, int],
    selector: Tensor | None,
) -> Tensor:
    """Return aggregated logits `B x (K+1) x H x W` of masks that the read carries as it carries values.

    Args:
        memory_key: keys of all remembered frames, `(B*K) x positions x Ck`, float32.
        masks: masks of each remembered frame, `B x K x H x W`, 0 to 1.
        query_key: keys of the frames to carry the masks to, `B x (h*w) x Ck`, float32.
        grid: h, w.
        selector: `B x K`, 0 for an object that a sample lacks: its probability is 0 everywhere.
    """
    batch, objects, height, width = masks[0].shape
    values = torch.cat([pool_at_positions(mask.float()) for mask in masks], dim=1)
    carried = read(memory_key, values, query_key.repeat_interleave(objects, dim=0), width=grid[1])
    coarse = carried.squeeze(-1).unflatten(1, grid).unflatten(0, (batch, objects))
    prob = DOUBT + (1 - 2 * DOUBT) * interpolate_positions(coarse, height, width)
    if selector is not None:
        prob = prob * selector[:, :, None, None]
    return aggregate_logits(prob, dim=1)


def pool_at_positions(masks: Tensor) -> Tensor:
    """Return masks `B x K x H x W` as memory values, `(B*K) x positions x 1`: the mean around each."""
    height, width = (side // STRIDE for side in masks.shape[-2:])
    means = F.avg_pool2d(masks, STRIDE, padding=STRIDE // 2, count_include_pad=False)
    return means[..., :height, :width].flatten(0, 1).flatten(1).unsqueeze(-1)


def interpolate_positions(coarse: Tensor, height: int, width: int) -> Tensor:
    """Interpolate values `B x K x h x w` at the positions to every pixel, `B x K x height x width`."""
    padded = F.pad(coarse, (1, 1, 1, 1), mode="replicate")
    fine = F.interpolate(padded, scale_factor=STRIDE, mode="bilinear", align_corners=False)
    start = STRIDE * 3 // 2  # centre of the first cell that is not padding
    return fine[..., start : start + height, start : start + width]
