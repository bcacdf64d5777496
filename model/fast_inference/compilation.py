"""Compiles loops with Numba, caches them on disk between runs, and gives them PyTorch's number of threads.

Numba finds a loop on disk by its code and its closure. The closure must not hold a function made by `njit`:
that function differs in each process, so the loop would be compiled and cached anew each time.
"""

import logging
import marshal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from filelock import FileLock
from numba import config, get_num_threads, njit, set_num_threads, types
from numba.extending import register_jitable

Kernel = Callable[..., None]

# sums may be reordered; results with infinite numbers or NaN may be wrong
FAST_MATH = {"nnan", "ninf", "nsz", "contract", "reassoc"}
SERIAL: dict[str, Any] = {"fastmath": FAST_MATH, "error_model": "numpy"}
PARALLEL: dict[str, Any] = {**SERIAL, "parallel": True, "nogil": True}

LOCK_FILE = "compiling.lock"  # name of the lock file in the cache folder

config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]  # type: ignore[attr-defined]

log = logging.getLogger(__name__)


def inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function as a part of the loops that close over it (a decorator)."""
    # Numba finds a loop on disk by a pickle of its closure. The pickle depends on whether equal strings are
    # the same object, which differs between a parsed module and one read from its .pyc; here none are.
    function.__code__ = marshal.loads(marshal.dumps(function.__code__, 2))
    return register_jitable(**SERIAL)(function)


def compile_loop(loop: Callable[..., None], *arguments: types.Type) -> Kernel:
    """Compile a loop for one list of argument types, or load it from the cache on disk.

    A lock makes processes with the same cache folder compile one after the other. Without it Numba can give
    two processes the same file for different loops of one function; a loaded loop could then be the wrong one
    and write beyond the ends of its arrays.

    Args:
        loop: function with `prange` that returns nothing.
        arguments: the only argument types that the compiled loop accepts.
    """
    use_threads_of_torch()
    try:
        kernel = njit(**PARALLEL, cache=True)(loop)
        with FileLock(Path(kernel.stats.cache_path) / LOCK_FILE):
            kernel.compile(arguments)
    except (RuntimeError, OSError, EOFError, UnpicklingError) as error:  # no folder, or damaged files in it
        log.warning("compiled loops cannot be cached, which takes time in each run: %s", error)
        kernel = njit(**PARALLEL)(loop)
        kernel.compile(arguments)
    kernel.disable_compile()
    return kernel


def use_threads_of_torch() -> None:
    """Let compiled loops use PyTorch's number of threads."""
    set_num_threads(min(torch.get_num_threads(), _most_threads()))


@cache
def _most_threads() -> int:
    """Start Numba's threads and return their number."""
    of_torch = torch.get_num_threads()
    most = get_num_threads()
    torch.set_num_threads(of_torch)  # the call before has changed it: both share an OpenMP library
    return most
