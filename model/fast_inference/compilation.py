"""How loops are compiled by Numba: once, kept on disk between runs, and with the threads of PyTorch.

Numba finds the OpenMP library that PyTorch has loaded, so that the threads of both are the same.
"""

from functools import cache
from typing import Any

import torch
from numba import config, get_num_threads, set_num_threads

# sums may be reordered, and nothing is infinite or no number
FAST_MATH = {"nnan", "ninf", "nsz", "contract", "reassoc"}
SERIAL: dict[str, Any] = {"fastmath": FAST_MATH, "error_model": "numpy", "cache": True}
PARALLEL: dict[str, Any] = {**SERIAL, "parallel": True, "nogil": True}

config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]  # type: ignore[attr-defined]


def use_threads_of_torch() -> None:
    """Give compiled loops as many threads as PyTorch's operations have."""
    set_num_threads(min(torch.get_num_threads(), _most_threads()))


@cache
def _most_threads() -> int:
    """Let Numba prepare its threads, and return how many loops may have."""
    of_torch = torch.get_num_threads()
    most = get_num_threads()
    torch.set_num_threads(of_torch)  # for all that use the library, Numba has just set its own number
    return most
