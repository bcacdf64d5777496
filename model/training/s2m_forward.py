"""The training forward of the scribble-to-mask network."""

from collections.abc import Mapping

import torch
from torch import Tensor

from model.aggregation import aggregate_logits
from model.interactive.s2m import S2MNetwork
from model.training.forward import TrainingForward, Truth
from util.device import amp_dtype


class S2MForward(TrainingForward):
    """Segments one object a sample from its previous mask and scribbles (MiVOS section 3.1).

    Args:
        network: trained in place, batch norm included.
        amp: run the network by autocast in reduced precision; weights stay float32.
    """

    network: S2MNetwork
    memory_format = torch.contiguous_format  # CPUs sum up channels-last features for batch norm less exactly
    pooled_loss = True

    def inputs(self, batch: Mapping[str, Tensor]) -> tuple[Tensor | None, ...]:
        """Return what the network takes.

        Args:
            batch: `rgb` `B x 3 x H x W`, `seg` `B x 1 x H x W` (previous mask), `srb` `B x 2 x H x W`
                (positive and negative scribbles), `gt` `B x 1 x H x W`.
        """
        rgb = batch["rgb"]
        return (torch.cat([rgb, batch["seg"].to(rgb), batch["srb"].to(rgb)], dim=1),)

    def truth(self, batch: Mapping[str, Tensor]) -> Truth:
        """Return the object's mask, class 1."""
        return Truth(batch["gt"].long(), None)

    def forward(self, x: Tensor) -> Tensor:
        """Return aggregated logits `B x 1 x 2 x H x W` of background and object; `x` as of `S2MNetwork`."""
        with torch.autocast(x.device.type, amp_dtype(x.device), enabled=self.amp):
            logits = self.network(x)
        return aggregate_logits(logits.float().sigmoid(), dim=1).unsqueeze(1)
