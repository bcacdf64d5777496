"""Adam without copies."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


class ViewingAdam(torch.optim.Adam):
    """Fused Adam that looks at channels-last weights as what lies in memory one after the other.

    The fused step works on memory in its usual order and, on a CPU, first copies each weight, gradient and
    average that lies otherwise. What it computes is the same either way; without the copies, and with
    `PartialConv2d.cut`, a step on one sample of 160 x 160 took 4 % less time (14 pairs in turns).

    Args:
        parameters: what is trained, or groups of it.
        lr: learning rate.
        weight_decay: added to the gradient, times the weight.
    """

    def __init__(
        self, parameters: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float, weight_decay: float
    ) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, fused=True)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; on other devices than a CPU as Adam does."""
        with viewed_in_order(list(self._strewn())):
            return super().step(closure)

    def _strewn(self) -> Iterator[Tensor]:
        """Yield the tensors of weights on a CPU that lie channels-last: themselves, gradients, averages."""
        for weight in (weight for group in self.param_groups for weight in group["params"]):
            gradient, state = weight.grad, self.state.get(weight)
            if gradient is None or weight.device.type != "cpu" or weight.is_contiguous():
                continue
            if not state:  # the first step makes the averages, in the weight's own order
                continue
            together = weight, gradient, *state.values()
            alike = [each for each in together if isinstance(each, Tensor) and each.shape == weight.shape]
            if all(each.is_contiguous(memory_format=torch.channels_last) for each in alike):
                yield from alike


@contextmanager
def viewed_in_order(tensors: list[Tensor]) -> Iterator[None]:
    """Within the context, show channels-last tensors `O x C x h x w` as `O x h x w x C`, in place."""
    shown = []
    for tensor in tensors:
        shown.append((tensor, tensor.data))
        tensor.data = tensor.data.permute(0, 2, 3, 1)
    try:
        yield
    finally:
        for tensor, before in shown:
            tensor.data = before
