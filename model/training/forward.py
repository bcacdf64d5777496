"""The interface of a training: from a batch to the network's logits and the ground truth."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Truth(NamedTuple):
    """The ground truth of a batch; shapes as in `model.training.losses.frame_losses`."""

    target: Tensor  # B x T x H x W, class numbers
    selector: Tensor | None  # B x K


class TrainingForward(nn.Module, ABC):
    """The forward pass of a training as one module, for DDP and torch.compile.

    `forward(*inputs(batch))` returns aggregated logits `B x T x (K+1) x H x W` of the T segmented frames of
    each sample, background first.

    Args:
        network: network to train.
        amp: whether to compute in reduced precision, by autocast; weights stay float32.

    Attributes:
        memory_format: memory format of the features.
        pooled_loss: whether the loss takes the hardest pixels of the whole batch, not of each picture.
    """

    memory_format = torch.channels_last
    pooled_loss = False

    def __init__(self, network: nn.Module, amp: bool = False) -> None:
        super().__init__()
        self.network = network
        self.amp = amp

    @abstractmethod
    def inputs(self, batch: Mapping[str, Tensor]) -> tuple[Tensor | None, ...]:
        """Return the arguments of `forward` from a batch of the data loader."""

    @abstractmethod
    def truth(self, batch: Mapping[str, Tensor]) -> Truth:
        """Return the ground truth of a batch."""
