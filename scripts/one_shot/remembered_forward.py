"""The forward of a one-shot fit: two frames are remembered, the second with mistakes, the third segmented."""

from collections.abc import Mapping

import torch
from torch import Tensor

from model.network import PropagationNetwork
from model.training.forward import TrainingForward, Truth
from model.training.propagation_forward import cut_weights, segment
from scripts.one_shot.carried_masks import carried_logits
from util.device import amp_dtype


class RememberedForward(TrainingForward):
    """Segments frame 2 of each sample, given masks of frames 0 and 1.

    A video is mostly lost by small mistakes that grow: a mask is remembered a little too small or too large,
    and the next one follows it. So the mask of frame 1 may have such mistakes, and the truth of frame 2 has
    none. It takes three fifths of the time of `PropagationForward`, which segments frame 1 as well; a fit is
    short of steps.

    Args:
        network: trained in place.
        amp: run the network (not the memory read) by autocast in reduced precision; weights stay float32.
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
            rgb: `B x 3 x 3 x H x W` (sample, frame, colour), normalised; H and W multiples of 16.
            masks: `B x 2 x K x H x W`, the K objects on frames 0 and 1 as they are remembered, 0 or 1.
            true_masks: as they are, which the read carries.
            selector: `B x K`, 0 for an object that a sample has not: its probability is 0 throughout.
                None: all samples have all objects.
        """
        shape = (masks.shape[0], masks.shape[1], masks.shape[2])
        amp = torch.autocast(rgb.device.type, amp_dtype(rgb.device), enabled=self.amp)
        with cut_weights(self.network), amp:
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
