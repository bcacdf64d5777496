"""The training forward of the fusion network."""

from collections.abc import Mapping

import torch
from torch import Tensor

from model.aggregation import aggregate_logits
from model.fusion import FusionNetwork
from model.training.forward import TrainingForward, Truth
from util.device import amp_dtype


class FusionForward(TrainingForward):
    """Fuses two masks of up to two objects a sample (MiVOS section 3.3).

    Args:
        network: trained in place.
        amp: run the network by autocast in reduced precision; weights stay float32.
    """

    network: FusionNetwork

    def inputs(self, batch: Mapping[str, Tensor]) -> tuple[Tensor | None, ...]:
        """Return frame, old and new masks, attention, time, and the selector.

        Args:
            batch: `rgb` `B x 3 x H x W`; of the first object `seg1` (old), `seg2` (new) `B x 1 x H x W` and
                `attn1` `B x 2 x H x W`; of the second `seg12`, `seg22` and `attn2`; `dist` `B x 2`;
                `selector` `B x 2`; `cls_gt` `B x H x W`.
        """
        old, new = (torch.cat([batch[first], batch[first + "2"]], dim=1) for first in ("seg1", "seg2"))
        attention = torch.stack([batch["attn1"], batch["attn2"]], dim=1)
        return batch["rgb"], old, new, attention, batch["dist"], batch["selector"]

    def truth(self, batch: Mapping[str, Tensor]) -> Truth:
        """Return the classes of the frame, and which objects there are."""
        return Truth(batch["cls_gt"].long().unsqueeze(1), batch["selector"])

    def forward(
        self, rgb: Tensor, old: Tensor, new: Tensor, attention: Tensor, time: Tensor, selector: Tensor
    ) -> Tensor:
        """Return aggregated logits `B x 1 x (K+1) x H x W`.

        Args:
            rgb: `B x 3 x H x W`, normalised.
            old: `B x K x H x W`.
            new: `B x K x H x W`.
            attention: `B x K x 2 x H x W`.
            time: `B x 2`.
            selector: `B x K`, 0 for an object that a sample has not.
        """
        objects = old.shape[1]
        frames, times = (x.repeat_interleave(objects, dim=0) for x in (rgb, time))
        with torch.autocast(rgb.device.type, amp_dtype(rgb.device), enabled=self.amp):
            logits = self.network(
                frames,
                old.flatten(0, 1).unsqueeze(1),
                new.flatten(0, 1).unsqueeze(1),
                attention.flatten(0, 1),
                times,
            )
        prob = logits.float().sigmoid().view(old.shape) * selector[:, :, None, None]
        return aggregate_logits(prob, dim=1).unsqueeze(1)
