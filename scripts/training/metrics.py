"""Means of training metrics over iterations and processes."""

import torch
from torch import Tensor

from model.training.trainer import StepResult
from util.ranks import Ranks


class LogIntegrator:
    """Sums metrics on the training device; the processor waits for them only when means are computed."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.sums: dict[str, Tensor] = {}

    def add(self, name: str, value: Tensor | float, weight: Tensor | float = 1.0) -> None:
        """Add to a metric's sums of values and weights; the weight is 1 for a mean, the union for IoU."""
        pair = torch.stack([torch.as_tensor(part, device=self.ranks.device) for part in (value, weight)])
        pair = pair.double()
        self.sums[name] = self.sums[name] + pair if name in self.sums else pair

    def add_step(self, result: StepResult) -> None:
        """Add the metrics of a training step."""
        self.add("loss/total", result.losses.sum())
        if len(result.losses) > 1:
            for frame, loss in enumerate(result.losses, start=1):
                self.add(f"loss/frame_{frame}", loss)
        self.add("loss/hard_fraction", result.fraction)
        for number, overlap in enumerate(zip(result.intersection, result.union, strict=True), start=1):
            self.add(f"iou/object_{number}", *overlap)
        self.add("optimiser/gradient_norm", result.gradient_norm)
        self.add("optimiser/learning_rate", result.learning_rate)

    def conclude(self) -> dict[str, float]:
        """Return the mean of each metric over all processes since the last call, and reset the sums.

        All processes must call this, with the same metrics added in the same order. A metric without weight,
        such as the overlap of an object that never appeared, is left out.
        """
        values, weights = self.ranks.sum(torch.stack(list(self.sums.values()))).T.tolist()
        names = list(self.sums)
        self.sums = {}
        return {
            name: value / weight for name, value, weight in zip(names, values, weights, strict=True) if weight
        }
