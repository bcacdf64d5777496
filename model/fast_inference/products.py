"""Batched matrix products with constant weights; picks MKL or oneDNN by a short trial.

PyTorch gives float32 products to MKL. oneDNN, with weights in its own order, was 1.1 to 1.5 times as fast on
an AMD EPYC (Zen 4). That call is none of PyTorch's public ones, so it is only used where it exists, computes
the same and won the trial.
"""

import time
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

TRIAL = (16, 180, 512, 256)  # kernels, rows, inputs and outputs: a quarter of the decoder's at 854 x 480
ROUNDS = 8  # to take the fastest of
LEAST_GAIN = 1.03  # below it the public way is as good


class Products:
    """P products `rows x C` times `C x O`, with one call for all.

    Args:
        kernels: `P x C x O`.
    """

    def __init__(self, kernels: Tensor) -> None:
        self.kernels = kernels

    def __call__(self, x: Tensor) -> list[Tensor]:
        """Multiply `P x rows x C`; return P times `rows x O`, contiguous."""
        return list(torch.bmm(x, self.kernels))


class ReorderedProducts(Products):
    """The same by oneDNN, with a call for each; arguments as those of `Products`.

    Raises:
        AttributeError, RuntimeError: this PyTorch has no such call, or not for this dtype.
    """

    def __init__(self, kernels: Tensor) -> None:
        reorder = torch.ops.mkldnn._reorder_linear_weight
        self.reordered = [reorder(kernel.T.contiguous()) for kernel in kernels]

    def __call__(self, x: Tensor) -> list[Tensor]:
        """Multiply `P x rows x C`; return P times `rows x O`, contiguous."""
        multiply = torch.ops.mkldnn._linear_pointwise
        return [
            multiply(rows, kernel, None, "none", [], "")
            for rows, kernel in zip(x, self.reordered, strict=True)
        ]


@cache
@torch.inference_mode()
def quickest_products(dtype: torch.dtype) -> type[Products]:
    """Return the way to multiply that is quickest here in a dtype, by trying both."""
    count, rows, inputs, outputs = TRIAL
    x, kernels = torch.randn(count, rows, inputs).to(dtype), torch.randn(count, inputs, outputs).to(dtype)
    usual = Products(kernels)
    try:
        reordered = ReorderedProducts(kernels)
        results, expected = torch.stack(reordered(x)), torch.stack(usual(x))
    except (AttributeError, RuntimeError):
        return Products
    if not torch.allclose(results, expected, rtol=0.02, atol=0.02 * inputs**0.5):
        return Products
    return ReorderedProducts if gain(lambda: usual(x), lambda: reordered(x)) > LEAST_GAIN else Products


def gain(usual: Callable[[], object], other: Callable[[], object]) -> float:
    """Return how many times as fast the other is, by the fastest of some rounds in turns: others disturb."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for compute, taken in zip((usual, other), seconds, strict=True):
            start = time.perf_counter()
            compute()
            taken.append(time.perf_counter() - start)
    return min(seconds[0]) / min(seconds[1])
