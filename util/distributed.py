"""Sharing videos over the processes of torchrun."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch.distributed as dist

Item = TypeVar("Item")


class Ranks:
    """The processes of a run; one process when torchrun is not used.

    Only small Python objects are exchanged, so this always goes over Gloo, also when the networks
    run on GPUs.
    """

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.world = int(os.environ.get("WORLD_SIZE", "1"))

    @property
    def is_first(self) -> bool:
        """Whether this process does the talking."""
        return self.rank == 0

    def from_first(self, value: Item) -> Item:
        """Return rank 0's value on every rank."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: Item) -> list[Item]:
        """Return every rank's value, in order of ranks; all ranks wait for each other."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values


@contextmanager
def evaluation_ranks() -> Iterator[Ranks]:
    """Join the processes of torchrun for the block, if there are any."""
    ranks = Ranks()
    if ranks.world == 1:
        yield ranks
        return
    # ranks finish hours apart when videos are long; none may give up on the others
    dist.init_process_group("gloo", timeout=timedelta(days=7))
    try:
        yield ranks
    finally:
        dist.destroy_process_group()


def share(lengths: Sequence[int], world: int) -> list[list[int]]:
    """Share out items so that ranks finish together: longest first, each to the least loaded rank.

    Args:
        lengths: work in each item.
        world: number of ranks.

    Returns:
        For each rank, the indices of its items, in the order of work.
    """
    shares: list[list[int]] = [[] for _ in range(world)]
    loads = [0] * world
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        rank = loads.index(min(loads))
        shares[rank].append(index)
        loads[rank] += lengths[index]
    return shares
