"""Matrix products with a constant factor; picks MKL or oneDNN by a short trial.

PyTorch gives float32 products to MKL. oneDNN, with the constant factor in its own order, made the memory read
1.1 times as fast on an AMD EPYC (Zen 4). That call is none of PyTorch's public ones, so it is only used where
it exists, computes the same and won the trial.
"""

import time
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]  # from `rows x C` to `rows x O`

TRIAL = (1024, 128, 1620)  # rows, C and O: a block of the memory and the queries of 854 x 480
ROUNDS = 8  # to take the fastest of
LEAST_GAIN = 1.03  # below it the public way is as good


def product_with(factor: Tensor) -> Product:
    """Return the quickest product with a factor `C x O`, float32."""
    return by_onednn(factor) if onednn_is_quicker() else lambda x: x @ factor


def by_onednn(factor: Tensor) -> Product:
    """Return the product with a factor by oneDNN.

    Raises:
        AttributeError, RuntimeError: this PyTorch has no such call.
    """
    reordered = torch.ops.mkldnn._reorder_linear_weight(factor.T.contiguous())
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, reordered, None, "none", [], "")


@cache
@torch.inference_mode()
def onednn_is_quicker() -> bool:
    """Tell whether oneDNN is there, right, and quicker on this processor."""
    rows, inputs, outputs = TRIAL
    x, factor = torch.randn(rows, inputs), torch.randn(inputs, outputs)
    try:
        other = by_onednn(factor)
        is_right = torch.allclose(other(x), x @ factor, rtol=0.02, atol=0.02 * inputs**0.5)
    except (AttributeError, RuntimeError):
        return False
    return is_right and gain(lambda: x @ factor, lambda: other(x)) > LEAST_GAIN


def gain(usual: Callable[[], object], other: Callable[[], object]) -> float:
    """Return how many times as fast the other is, by the fastest of some alternating rounds."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for compute, taken in zip((usual, other), seconds, strict=True):
            start = time.perf_counter()
            compute()
            taken.append(time.perf_counter() - start)
    return min(seconds[0]) / min(seconds[1])
