"""Test-time augmentation: the average with the result on the mirrored video."""

from typing import Any

import torch
from torch import Tensor

from model import InferenceCore, PropagationNetwork


class MirroredPair:
    """Two engines side by side: one sees the video, the other one its mirror image.

    Each remembers its own results. What `step` returns is the mean of both probabilities, the second ones
    mirrored back, at working size. The memory takes twice the space of one engine's.

    Args:
        network: in eval mode.
        options: keyword arguments of both engines.
    """

    def __init__(self, network: PropagationNetwork, options: dict[str, Any]) -> None:
        self.plain = InferenceCore(network, **options)
        self.mirrored = InferenceCore(network, **options)
        self.device = self.plain.device

    @property
    def labels(self) -> list[int]:
        """Labels of the known objects, in the order of the probability channels."""
        return self.plain.labels

    @torch.inference_mode()
    def step(self, frame: Tensor, mask: Tensor | None = None, last: bool = False) -> Tensor:
        """Segment the next frame; arguments and result as of `InferenceCore.step`."""
        prob = self.plain.step(frame, mask, last=last)
        turned = None if mask is None else mask.flip(-1)
        return (prob + self.mirrored.step(frame.flip(-1), turned, last=last).flip(-1)) / 2

    def label_map(self, prob: Tensor, size: tuple[int, int]) -> Tensor:
        """Turn a result into a map of labels, see `InferenceCore.label_map`."""
        return self.plain.label_map(prob, size)
