"""The top-k read on a CPU in one pass over the memory, in which each query keeps its k best positions.

The affinity of a block of memory positions to all queries is used while it is in the processor's cache. The
time is linear in the memory, and only one block of affinities is held.
"""

import math
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit, prange, types
from torch import Tensor

from model.fast_inference.compilation import SERIAL, Kernel, compile_loop, use_threads_of_torch
from model.fast_inference.products import choose_product
from model.memory import read, weighted_values

BLOCK = 1024  # memory positions per block
LANES = 32  # queries compared at once
NO_AFFINITY = np.float32(-1e30)  # smaller than any affinity; compiled code assumes finite numbers


@njit(**SERIAL)
def _replace_least(best: Any, where: Any, score: float, position: int) -> None:
    """Replace the smallest score of a heap, its first, by a greater score with its position."""
    place = 0
    while 2 * place + 1 < len(best):
        child = 2 * place + 1
        if child + 1 < len(best) and best[child + 1] < best[child]:
            child += 1
        if best[child] >= score:
            break
        best[place], where[place] = best[child], where[child]
        place = child
    best[place], where[place] = score, position


def _keep_best(scores: Any, first: int, best: Any, where: Any) -> None:
    """Update the k best scores of each query, `best`, and their positions `where`, both `Q x k`.

    `scores` `positions x Q` are those of a block that begins at position `first`; Q is a multiple of LANES.
    """
    positions, queries = scores.shape
    for chunk in prange(queries // LANES):
        start = chunk * LANES
        least = np.empty(LANES, np.float32)
        for q in range(LANES):
            least[q] = best[start + q, 0]
        for position in range(positions):
            most = NO_AFFINITY  # largest gain of a query
            for q in range(LANES):
                most = max(most, scores[position, start + q] - least[q])
            if most > 0:
                for q in range(LANES):
                    score = scores[position, start + q]
                    if score > least[q]:
                        _replace_least(best[start + q], where[start + q], score, first + position)
                        least[q] = best[start + q, 0]


@cache
def keep_best() -> Kernel:
    """Return `_keep_best`, compiled."""
    rows = types.float32[:, ::1]
    return compile_loop(_keep_best, rows, types.intp, rows, types.int64[:, ::1])


@torch.inference_mode()
def top_k_read(memory_key: Tensor, memory_value: Tensor, query_key: Tensor, k: int) -> Tensor:
    """Read the memory of one object, `1 x Q x Cv` float32, as `model.memory.read` does with `top_k`.

    Args:
        memory_key: `1 x N x Ck`.
        memory_value: `1 x N x Cv`.
        query_key: `1 x Q x Ck`, float32.
        k: number of memory positions read per query position; clamped to N.
    """
    use_threads_of_torch()
    keys = memory_key[0]
    count, channels = query_key.shape[1:]
    queries = F.pad(query_key[0] / math.sqrt(channels), (0, 0, 0, -count % LANES))
    k = min(k, len(keys))
    best = torch.full((len(queries), k), NO_AFFINITY.item())
    where = torch.zeros(len(queries), k, dtype=torch.int64)
    affinity = choose_product(queries.T)
    update = keep_best()
    # the newest block comes first: it is most similar to the queries, so few later scores are better
    for start in reversed(range(0, len(keys), BLOCK)):
        scores = affinity(keys[start : start + BLOCK].float())  # positions x Q
        update(scores.numpy(), start, best.numpy(), where.numpy())
    return weighted_values(best[None, :count], where[None, :count], memory_value).float()


def fastest_read(
    memory_key: Tensor, memory_value: Tensor, query_key: Tensor, *, top_k: int | None, **options: Any
) -> Tensor:
    """Read the memory of one object in the fastest way on its device; arguments as in `model.memory.read`."""
    if top_k is not None and options.get("km_sigma") is None and query_key.device.type == "cpu":
        return top_k_read(memory_key, memory_value, query_key, top_k)
    return read(memory_key, memory_value, query_key, top_k=top_k, **options)
