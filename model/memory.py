"""The memory read as pure functions: affinity, top-k, softmax, weighted sum of values.

From STM (section 3.2), with the top-k filter of MiVOS and the Gaussian kernel of KMN. Memory and query
positions are rows, `B x positions x channels`: a query position's affinities to all N memory positions are
one contiguous row, and remembering a frame appends rows. Start with `read`. `model/memory_bank.py`, the next
file to read, stores the rows.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_NUMBERS = 1 << 23  # affinities computed at once on a CPU (32 MB in float32)
GPU_CHUNK_NUMBERS = 1 << 26  # affinities computed at once on a GPU; smaller chunks do not fill it
GROUP = 16  # memory positions per group in `k_best`


def chunk_numbers_on(device: torch.device) -> int:
    """Return the number of affinities to compute at once on a device."""
    return GPU_CHUNK_NUMBERS if device.type == "cuda" else CHUNK_NUMBERS


def to_rows(feature: Tensor) -> Tensor:
    """Turn a feature map `B x C x h x w` into rows `B x (h*w) x C`."""
    return feature.flatten(2).transpose(1, 2)


def to_map(rows: Tensor, grid: tuple[int, int]) -> Tensor:
    """Turn rows `B x (h*w) x C` back into a feature map `B x C x h x w`."""
    return rows.transpose(1, 2).unflatten(2, grid)


def affinity(memory_key: Tensor, query_key: Tensor) -> Tensor:
    """Return the scaled dot products of query and memory keys, `B x Q x N`.

    Args:
        memory_key: `B x N x C`.
        query_key: `B x Q x C`.
    """
    return (query_key / math.sqrt(query_key.shape[-1])) @ memory_key.transpose(1, 2)


def k_best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k greatest numbers of each row and their positions, in any order.

    The k greatest numbers lie in the k groups of positions with the greatest maxima. In long rows only these
    groups are searched, so `GROUP` times fewer numbers are sorted. The result is exact.

    Args:
        scores: `... x N`.
        k: clamped to N.

    Returns:
        Values and positions, both `... x k`.
    """
    positions = scores.shape[-1]
    groups = positions // GROUP
    if groups < 4 * k:
        return scores.topk(min(k, positions), dim=-1, sorted=False)
    # a group is every groups-th position: maxima over an outer dimension are whole-row operations
    grouped = scores[..., : groups * GROUP].unflatten(-1, (GROUP, groups))
    kept = grouped.amax(dim=-2).topk(k, dim=-1, sorted=False).indices  # ... x k
    candidates = grouped.gather(-1, kept.unsqueeze(-2).expand(*kept.shape[:-1], GROUP, k)).flatten(-2)
    rest = scores[..., groups * GROUP :]  # fewer than GROUP positions, in no group
    values, chosen = torch.cat([candidates, rest], dim=-1).topk(k, dim=-1, sorted=False)
    member = chosen.div(k, rounding_mode="floor")
    in_group = member * groups + kept.gather(-1, chosen % k)
    return values, torch.where(member < GROUP, in_group, chosen + (groups - k) * GROUP)


def weighted_values(best: Tensor, index: Tensor, memory_value: Tensor) -> Tensor:
    """Return the means `B x Q x C` of the values at `index`, weighted by the softmax of `best`.

    They are summed without a `Q x k x C` copy of the values.

    Args:
        best: affinities, `B x Q x k`.
        index: memory positions of these affinities, `B x Q x k`.
        memory_value: `B x N x C`.
    """
    batch, positions, channels = memory_value.shape
    weights = best.softmax(dim=-1)
    first_row = torch.arange(batch, device=index.device).mul_(positions).view(-1, 1, 1)
    readout = F.embedding_bag(
        (index + first_row).flatten(0, 1),
        memory_value.reshape(batch * positions, channels),
        per_sample_weights=weights.flatten(0, 1).to(memory_value.dtype),
        mode="sum",
    )
    return readout.view(batch, -1, channels)


def kernel_centres(memory_key: Tensor, query_key: Tensor, chunk: int) -> Tensor:
    """Return for each memory position the query position of highest affinity, `B x N` (KMN section 3.3).

    Keys are as in `affinity`; the affinities of `chunk` query positions are computed at once.
    """
    best = memory_key.new_full(memory_key.shape[:2], -torch.inf)
    centre = torch.zeros(best.shape, dtype=torch.int64, device=best.device)
    for start, scores in affinity_chunks(memory_key, query_key, chunk):
        top, index = scores.max(dim=1)  # over this chunk's queries, B x N
        centre = torch.where(top > best, index + start, centre)
        best = torch.maximum(top, best)
    return centre


def log_kernel(centres: Tensor, queries: Tensor, width: int, sigma: float) -> Tensor:
    """Return -d^2 / (2 sigma^2), `B x Q x N`, where d is the distance from each query to each memory centre.

    Args:
        centres: `B x N`, positions on the query grid.
        queries: `Q`, positions on the query grid.
        width: width of the query grid.
        sigma: standard deviation of the kernel in grid cells.
    """

    def distance(query: Tensor, centre: Tensor) -> Tensor:
        return query.view(1, -1, 1).float() - centre.unsqueeze(1)

    query_row, centre_row = (each.div(width, rounding_mode="floor") for each in (queries, centres))
    dy = distance(query_row, centre_row)
    dx = distance(queries - query_row * width, centres - centre_row * width)  # torch.onnx cannot export %
    return dx.square_().add_(dy.square_()).div_(-2 * sigma * sigma)


def affinity_chunks(memory_key: Tensor, query_key: Tensor, chunk: int) -> Iterator[tuple[int, Tensor]]:
    """Yield (first query, affinity `B x chunk x N`) over all queries; arguments as in `kernel_centres`."""
    for start in range(0, query_key.shape[1], chunk):
        yield start, affinity(memory_key, query_key[:, start : start + chunk])


def read(
    memory_key: Tensor,
    memory_value: Tensor,
    query_key: Tensor,
    *,
    width: int,
    top_k: int | None = None,
    km_sigma: float | None = None,
) -> Tensor:
    """Read the memory for every query position.

    The affinities are computed for a chunk of queries at a time. The Gaussian kernel is added to them as its
    logarithm: top-k sees the weighted order, and no softmax becomes 0/0.

    Args:
        memory_key: `B x N x Ck`, half precision or the query's dtype.
        memory_value: `B x N x Cv`, dtype of `memory_key`.
        query_key: `B x Q x Ck`, Q = grid height * `width`.
        width: width of the query grid (used by the kernel alone).
        top_k: number of memory positions read per query position; None reads all.
        km_sigma: standard deviation of the KMN kernel in grid cells; None for no kernel.

    Returns:
        `B x Q x Cv`, dtype of the query.
    """
    batch, positions = memory_key.shape[:2]
    memory_key = memory_key.to(query_key.dtype)
    chunk = max(1, chunk_numbers_on(query_key.device) // (batch * positions))
    centres = None if km_sigma is None else kernel_centres(memory_key, query_key, chunk)
    # into one tensor: small results kept between freed chunks would fragment the heap
    readout = query_key.new_empty(batch, query_key.shape[1], memory_value.shape[-1])
    for start, scores in affinity_chunks(memory_key, query_key, chunk):
        if centres is not None and km_sigma is not None:
            queries = torch.arange(start, start + scores.shape[1], device=scores.device)
            scores = scores + log_kernel(centres, queries, width, km_sigma)
        part = readout[:, start : start + scores.shape[1]]
        if top_k is None:
            part.copy_(scores.softmax(dim=-1).to(memory_value.dtype) @ memory_value)
        else:  # a softmax over the k best positions of each query only (MiVOS section 3.2)
            part.copy_(weighted_values(*k_best(scores, top_k), memory_value))
    return readout
