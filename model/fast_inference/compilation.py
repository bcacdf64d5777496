"""How loops are compiled by Numba: once, kept on disk between runs, and with the threads of PyTorch.

Numba finds the OpenMP library that PyTorch has loaded, so that the threads of both are the same. It finds a
loop on disk by its code and by what its closure holds, which must be plain: a function that `njit` has made
is another in every process, and what closes over it would be compiled, and kept, each time.
"""

from functools import cache
from typing import Any

import torch
from numba import config, get_num_threads, set_num_threads

# sums may be reordered, and nothing is infinite or no number
FAST_MATH = {"nnan", "ninf", "nsz", "contract", "reassoc"}
SERIAL: dict[str, Any] = {"fastmath": FAST_MATH, "error_model": "numpy"}  # kept with what it is a part of
PARALLEL: dict[str, Any] = {**SERIAL, "parallel": True, "nogil": True, "cache": True}

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
