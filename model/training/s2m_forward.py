"""The forward pass of the scribble-to-mask network's training."""

from collections.abc import Mapping

import torch
from torch import Tensor

from model.aggregation import aggregate_logits
from model.interactive.s2m import S2MNetwork
from model.training.forward import TrainingForward, Truth
from util.device import amp_dtype


class S2MForward(TrainingForward):
    """Segments one object per sample from its previous mask and scribbles (MiVOS section 3.1)."""

    network: S2MNetwork
    memory_format = torch.contiguous_format  # batch norm of channels-last features is less exact on CPUs
    pooled_loss = True

    def inputs(self, batch: Mapping[str, Tensor]) -> tuple[Tensor | None, ...]:
        """Return the input of the network.

        Args:
            batch: `rgb` `B x 3 x H x W`, `seg` `B x 1 x H x W` (previous mask), `srb` `B x 2 x H x W`
                (positive and negative scribbles), `gt` `B x 1 x H x W`.
        """
        rgb = batch["rgb"]
        return (torch.cat([rgb, batch["seg"].to(rgb), batch["srb"].to(rgb)], dim=1),)

    def truth(self, batch: Mapping[str, Tensor]) -> Truth:
        """Return the object's mask as class 1."""
        return Truth(batch["gt"].long(), None)

    def forward(self, x: Tensor) -> Tensor:
        """Return aggregated logits `B x 1 x 2 x H x W` of background and object; `x` as in `S2MNetwork`."""
        with torch.autocast(x.device.type, amp_dtype(x.device), enabled=self.amp):
            logits = self.network(x)
        return aggregate_logits(logits.float().sigmoid(), dim=1).unsqueeze(1)
