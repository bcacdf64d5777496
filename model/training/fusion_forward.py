"""The forward pass of the fusion network's training."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from model.aggregation import aggregate_logits
from model.interactive.fusion import FusionNetwork, fusion_input, transfer_difference
from model.memory import to_rows
from model.network import PropagationNetwork
from model.training.forward import TrainingForward, Truth
from util.device import amp_dtype

Attention = Callable[[Mapping[str, Tensor]], Tensor]  # function from a batch to B x K x 2 x H x W


class FusionForward(TrainingForward):
    """Fuses two masks of up to two objects per sample (MiVOS section 3.3).

    Args:
        network: see `TrainingForward`.
        attention: function that returns the attention of a batch, such as a `FrozenAttention`.
        amp: see `TrainingForward`.
    """

    network: FusionNetwork

    def __init__(self, network: FusionNetwork, attention: Attention, amp: bool = False) -> None:
        super().__init__(network, amp)
        self.attention = attention

    def inputs(self, batch: Mapping[str, Tensor]) -> tuple[Tensor | None, ...]:
        """Return frame, old and new masks, attention, time, and the selector.

        Args:
            batch: batch of `dataset.training.fusion_dataset`.
        """
        old, new = (torch.cat([batch[first], batch[first + "2"]], dim=1) for first in ("seg1", "seg2"))
        return batch["rgb"], old, new, self.attention(batch), batch["dist"], batch["selector"]

    def truth(self, batch: Mapping[str, Tensor]) -> Truth:
        """Return the classes of the frame, and the selector of existing objects."""
        return Truth(batch["cls_gt"].long().unsqueeze(1), batch["selector"])

    def forward(
        self, rgb: Tensor, old: Tensor, new: Tensor, attention: Tensor, time: Tensor, selector: Tensor
    ) -> Tensor:
        """Return aggregated logits `B x 1 x (K+1) x H x W`.

        Args:
            rgb: normalised frames `B x 3 x H x W`.
            old: old masks `B x K x H x W`.
            new: new masks `B x K x H x W`.
            attention: attention `B x K x 2 x H x W`.
            time: time shares `B x 2`, see `model.interactive.fusion.time_shares`.
            selector: `B x K`, 0 for an object that does not exist in the sample.
        """
        samples = zip(rgb, old, new, attention, time, strict=True)
        with torch.autocast(rgb.device.type, amp_dtype(rgb.device), enabled=self.amp):
            logits = self.network(torch.cat([fusion_input(*sample) for sample in samples]))
        prob = logits.sigmoid().view(old.shape) * selector[:, :, None, None]
        return aggregate_logits(prob, dim=1).unsqueeze(1)


class FrozenAttention:
    """The attention of samples, by the encoders of a propagation network that is not trained.

    Args:
        network: the propagation network, in eval mode, on the device of the batches.
    """

    def __init__(self, network: PropagationNetwork) -> None:
        self.network = network

    @torch.no_grad()
    def __call__(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the attention `B x K x 2 x H x W`: what the true masks of b add to and remove from `was_b`.

        Args:
            batch: `rgb` and `rgb_b` `B x 3 x H x W`; `mask_b` (truth) and `was_b` (propagated) `B x K x H x
                W`.
        """
        network, moved = self.network, []
        for frame, reference, mask, was in zip(
            batch["rgb"], batch["rgb_b"], batch["mask_b"], batch["was_b"], strict=True
        ):
            key, _ = network.encode_memory(reference[None], mask[None])
            f16, _, _ = network.rgb_encoder(frame[None].to(network.dtype))
            query = network.kv_q_f16.key_proj(f16)
            grid = (query.shape[-2], query.shape[-1])
            moved.append(transfer_difference(mask - was, key.float(), to_rows(query).float(), grid))
        return torch.stack(moved)
