"""What a training steps on: a network, and the way from a batch to its logits and to the truth."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Truth(NamedTuple):
    """What the logits of a batch should have been; shapes as in `model.training.losses.frame_losses`."""

    target: Tensor  # B x T x H x W, class numbers
    selector: Tensor | None  # B x K


class TrainingForward(nn.Module, ABC):
    """The forward of one kind of training as one module: DDP and torch.compile wrap it once.

    Its `forward(*inputs(batch))` returns aggregated logits `B x T x (K+1) x H x W` of the T frames of each
    sample that are segmented, background first.

    Args:
        network: trained in place.
        amp: compute by autocast in reduced precision; weights stay float32.

    Attributes:
        memory_format: of the features.
        pooled_loss: the loss takes the hardest pixels of the whole batch, not of each picture.
    """

    memory_format = torch.channels_last
    pooled_loss = False

    def __init__(self, network: nn.Module, amp: bool = False) -> None:
        super().__init__()
        self.network = network
        self.amp = amp

    @abstractmethod
    def inputs(self, batch: Mapping[str, Tensor]) -> tuple[Tensor | None, ...]:
        """Return the arguments of `forward` out of a batch of the data loader."""

    @abstractmethod
    def truth(self, batch: Mapping[str, Tensor]) -> Truth:
        """Return what the logits are compared with."""
