"""Matrix products with a constant factor; picks MKL or oneDNN by a short trial.

PyTorch computes float32 products with MKL. oneDNN, with the constant factor in its own layout, is 1.6 times
as fast for the memory read on an AMD EPYC (Zen 4), and the whole read is 1.2 to 1.3 times as fast. Its call
is not public in PyTorch, so it is used only where it exists, gives the right result and wins a trial.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from model.fast_inference.trials import Way, choose

Product = Callable[[Tensor], Tensor]  # function from `rows x C` to `rows x O`

TRIAL = (1024, 128, 1620)  # rows, C and O: a block of memory positions and the queries of 854 x 480
SUBJECT = "products of the memory read"
LEAST_GAIN = 1.2  # required speed-up of a product, which is about a third of the read


def choose_product(factor: Tensor) -> Product:
    """Return the quicker product with a factor `C x O`, float32."""
    return onednn_product(factor) if onednn_is_quicker() else lambda x: x @ factor


def onednn_product(factor: Tensor) -> Product:
    """Return oneDNN's product with a factor; raise AttributeError or RuntimeError without such a call."""
    reordered = torch.ops.mkldnn._reorder_linear_weight(factor.T.contiguous())
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, reordered, None, "none", [], "")


def onednn_is_quicker() -> bool:
    """Return whether oneDNN is available, right, and quicker on this processor."""
    ways = ("MKL", _by_mkl), ("oneDNN", _by_onednn)
    return onednn_is_right() and choose(SUBJECT, *ways, LEAST_GAIN) == "oneDNN"


def _trial() -> tuple[Tensor, Tensor]:
    rows, inputs, outputs = TRIAL
    random = torch.Generator().manual_seed(0)
    return torch.randn(rows, inputs, generator=random), torch.randn(inputs, outputs, generator=random)


def _by_mkl() -> Way:
    x, factor = _trial()
    return torch.inference_mode()(lambda: x @ factor)


def _by_onednn() -> Way:
    x, factor = _trial()
    product = onednn_product(factor)
    return torch.inference_mode()(lambda: product(x))


@cache
@torch.inference_mode()
def onednn_is_right() -> bool:
    """Return whether oneDNN is available and gives the right product."""
    x, factor = _trial()
    try:
        product, tolerance = onednn_product(factor)(x), 0.02 * factor.shape[0] ** 0.5
        return torch.allclose(product, x @ factor, rtol=0.02, atol=tolerance)
    except (AttributeError, RuntimeError):
        return False
