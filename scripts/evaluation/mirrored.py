"""Test-time augmentation: the average with the result on the mirrored video."""

from typing import Any

import torch
from torch import Tensor

from model import InferenceCore, PropagationNetwork


class MirroredPair:
    """Two engines: one for the video, the other for its mirror image, each with its own memory.

    `step` returns the mean of both probabilities, the second ones mirrored back, at working size.

    Args:
        network: the propagation network, in eval mode.
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
        """Segment the next frame, with the arguments and result of `InferenceCore.step`."""
        prob = self.plain.step(frame, mask, last=last)
        turned = None if mask is None else mask.flip(-1)
        return (prob + self.mirrored.step(frame.flip(-1), turned, last=last).flip(-1)) / 2

    def label_map(self, prob: Tensor, size: tuple[int, int]) -> Tensor:
        """Turn a result into a label map, see `InferenceCore.label_map`."""
        return self.plain.label_map(prob, size)
