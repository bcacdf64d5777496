"""The forwards of a one-shot fit: first of the keys alone, then of the whole network."""

from collections.abc import Mapping

import torch
from torch import Tensor

from model.memory import to_rows
from model.modules import cat_frame_and_masks
from model.network import PropagationNetwork
from model.training.forward import TrainingForward, Truth
from model.training.propagation_forward import PropagationForward, segment
from scripts.one_shot.carried_masks import carried_logits
from util.device import amp_dtype


class KeyForward(PropagationForward):
    """Carries the masks of frame 0 of each sample to frames 1 and 2, without values and decoder.

    It trains both encoders and key heads, in a fifth of the time of `PropagationForward`.
    """

    def forward(self, rgb: Tensor, masks: Tensor, selector: Tensor | None = None) -> Tensor:
        """Return aggregated logits of frames 1 and 2; arguments and shapes as of `PropagationForward`."""
        network = self.network
        with torch.autocast(rgb.device.type, amp_dtype(rgb.device), enabled=self.amp):
            f16, _, _ = network.rgb_encoder(rgb[:, 1:].transpose(0, 1).flatten(0, 1))
            query_map = network.kv_q_f16.key_proj(f16)
            with_masks = cat_frame_and_masks(rgb[:, 0], masks, network.single_object)
            memory_key = to_rows(network.kv_m_f16.key_proj(network.mask_rgb_encoder(with_masks)))
        grid = (query_map.shape[-2], query_map.shape[-1])
        frames = to_rows(query_map).float().split(len(rgb))  # frame by frame, as they were put in
        carried = [carried_logits(memory_key.float(), [masks], key, grid, selector) for key in frames]
        return torch.stack(carried, dim=1)


class RememberedForward(TrainingForward):
    """Segments frame 2 of each sample, given masks of frames 0 and 1.

    A video is mostly lost by small mistakes that grow. So the mask of frame 1 may have such mistakes, and the
    truth of frame 2 has none. It takes three fifths of the time of `PropagationForward`.

    Args:
        network: trained in place.
        amp: as in `TrainingForward`.
        carry_masks: also return what the read alone makes of the masks, as one more frame with the same
            truth, see `scripts.one_shot.carried_masks`.
    """

    network: PropagationNetwork

    def __init__(self, network: PropagationNetwork, amp: bool = False, carry_masks: bool = False) -> None:
        super().__init__(network, amp)
        self.carry_masks = carry_masks

    def inputs(self, batch: Mapping[str, Tensor]) -> tuple[Tensor | None, ...]:
        """Return frames, what is remembered, the true masks of frames 0 and 1, and the selector.

        Args:
            batch: as for `PropagationForward`, and `remembered` `B x 2 x 2 x H x W` (frame, object).
        """
        true = torch.cat([batch[name][:, :2] for name in ("gt", "sec_gt") if name in batch], dim=2)
        return batch["rgb"], batch["remembered"][:, :, : true.shape[2]], true, batch.get("selector")

    def truth(self, batch: Mapping[str, Tensor]) -> Truth:
        """Return the classes of frame 2, as often as `forward` returns it, and which objects there are."""
        times = 2 if self.carry_masks else 1
        return Truth(batch["cls_gt"][:, 2:].repeat(1, times, 1, 1), batch.get("selector"))

    def forward(
        self, rgb: Tensor, masks: Tensor, true_masks: Tensor, selector: Tensor | None = None
    ) -> Tensor:
        """Return the aggregated logits of frame 2, `B x 1 x (K+1) x H x W`, background first.

        With `carry_masks` there are two: the other by the read alone.

        Args:
            rgb: as for `PropagationForward`.
            masks: `B x 2 x K x H x W`, the K objects on frames 0 and 1 as they are remembered, 0 or 1.
            true_masks: as they are, which the read carries.
            selector: as for `PropagationForward`.
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
