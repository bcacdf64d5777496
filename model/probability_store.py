"""Probabilities of frames, stored in fewer bits than they are computed in."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.array_store import ArrayStore
from model.interactive_state import Stored

DTYPES = {"uint8": torch.uint8, "half": torch.half, "float32": torch.float32}


class ProbabilityStore:
    """Turns probabilities into stored arrays and back.

    Args:
        arrays: where they are kept.
        form: one of `DTYPES`.
        size: (H, W) of the padded frames.
        device: of what is given back.
    """

    def __init__(self, arrays: ArrayStore, form: str, size: tuple[int, int], device: torch.device) -> None:
        self.arrays = arrays
        self.form = form
        self.size = size
        self.device = device

    def put(self, prob: Tensor, labels: Sequence[int]) -> Stored:
        """Store probabilities `(K+1) x H x W` of the background and of objects."""
        numbers = (prob * 255).round_() if self.form == "uint8" else prob
        return Stored(self.arrays.put(numbers.to(DTYPES[self.form]).cpu().numpy()), tuple(labels))

    def get(self, stored: Stored | None, labels: Sequence[int]) -> Tensor:
        """Return probabilities `(K+1) x H x W` of the background and of some objects.

        An object that was not there has none; one that is not asked for is background. Where nothing is
        stored, all is background.
        """
        prob = torch.zeros(len(labels) + 1, *self.size, device=self.device)
        if stored is None:
            prob[0] = 1
            return prob
        there = self.tensor(stored.array).float()
        if self.form == "uint8":
            there /= 255
        prob[0] = there[0]
        for label, channel in zip(stored.labels, there[1:], strict=True):
            prob[labels.index(label) + 1 if label in labels else 0] += channel
        return prob

    def tensor(self, number: int) -> Tensor:
        """Return a copy of an array on the device."""
        return torch.from_numpy(np.array(self.arrays.get(number))).to(self.device)
