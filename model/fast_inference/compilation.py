"""Compiles loops by Numba: once, kept on disk between runs, and with the threads of PyTorch.

Numba finds a loop on disk by its code and its closure, which must be plain: a function that `njit` has made
is another in every process, and what closes over it would be compiled, and kept, each time.
"""

import logging
import marshal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from numba import config, get_num_threads, njit, set_num_threads, types
from numba.extending import register_jitable

from util.lock import in_turn

Kernel = Callable[..., None]

# sums may be reordered, and need not be right where a number is infinite or none
FAST_MATH = {"nnan", "ninf", "nsz", "contract", "reassoc"}
SERIAL: dict[str, Any] = {"fastmath": FAST_MATH, "error_model": "numpy"}  # kept with what it is a part of
PARALLEL: dict[str, Any] = {**SERIAL, "parallel": True, "nogil": True}

LOCK_FILE = "compiling.lock"  # beside what is kept

config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]  # type: ignore[attr-defined]

log = logging.getLogger(__name__)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let loops that close over a function compile it with them (a decorator)."""
    # Numba pickles what a loop closes over to find it on disk, and where equal strings are one object, which
    # differs between a module just parsed and one read from its .pyc, the pickle does
    function.__code__ = marshal.loads(marshal.dumps(function.__code__, 2))  # shares no objects
    return register_jitable(**SERIAL)(function)


def compiled(loop: Callable[..., None], *arguments: types.Type) -> Kernel:
    """Compile a loop for arguments of these types, or load what an earlier process has kept.

    One process after the other, of all that keep loops in the same folder: Numba gives two of them the same
    file for different loops of one function, and whoever loaded it would run the other's, beyond the ends of
    its arrays.

    Args:
        loop: with `prange`; it returns nothing.
        arguments: types of what it will be called with; nothing else is taken.
    """
    use_threads_of_torch()
    try:
        kernel = njit(**PARALLEL, cache=True)(loop)
    except RuntimeError:  # no folder can be written to
        return _compiled_for_now(loop, arguments)
    folder = kernel.stats.cache_path
    try:
        with in_turn(Path(folder) / LOCK_FILE):
            kernel.compile(arguments)
    except (OSError, EOFError, UnpicklingError) as error:
        log.warning("compiled loops cannot be kept in %s (%s), which takes time: empty it.", folder, error)
        return _compiled_for_now(loop, arguments)
    kernel.disable_compile()
    return kernel


def _compiled_for_now(loop: Callable[..., None], arguments: tuple[types.Type, ...]) -> Kernel:
    """Compile a loop for this process alone."""
    kernel = njit(**PARALLEL)(loop)
    kernel.compile(arguments)
    kernel.disable_compile()
    return kernel


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
