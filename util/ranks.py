"""The processes of a distributed run: their ranks, exchange of values, and shares of the work."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from util.errors import InputError
from util.worker_processes import end_with_parent

Value = TypeVar("Value")

# With long videos, ranks of an evaluation finish hours apart; none must give up on the others.
EVALUATION_TIMEOUT = timedelta(days=7)


@dataclass(frozen=True)
class Ranks:
    """This process's place among the processes of a run.

    Attributes:
        device: device to compute on.
        rank: rank of this process, over all machines.
        count: number of processes, over all machines.
    """

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    @property
    def is_distributed(self) -> bool:
        """Whether a launcher started this process (even if it is the only one)."""
        return dist.is_initialized()

    def sum(self, numbers: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes; all must call this."""
        if self.is_distributed:
            numbers = numbers.clone()
            dist.all_reduce(numbers)
        return numbers

    def any(self, flags: Sequence[bool | Tensor]) -> list[bool]:
        """Return for each flag whether it is set in any process; all must call this.

        Args:
            flags: bools or scalar bool tensors on this process's device.
        """
        numbers = torch.stack([torch.as_tensor(flag, device=self.device).float() for flag in flags])
        return (self.sum(numbers) > 0).tolist()

    def from_first(self, value: Value) -> Value:
        """Return the value of the first process; all must call this."""
        if not self.is_distributed:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all processes, in order of ranks; all must call this."""
        if not self.is_distributed:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values


def share(lengths: Sequence[int], count: int) -> list[list[int]]:
    """Share items over ranks: longest first, each to the rank with the least work so far.

    Args:
        lengths: amount of work of each item.
        count: number of ranks.

    Returns:
        For each rank, the indices of its items, longest first.
    """
    shares: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        rank = loads.index(min(loads))
        shares[rank].append(index)
        loads[rank] += lengths[index]
    return shares


@contextmanager
def join_ranks(device: torch.device, for_training: bool) -> Iterator[Ranks]:
    """Join the process group of a launcher (`torchrun` or `python -m torch.distributed.launch`), if any.

    Training on GPUs uses NCCL, with one GPU per process; training on CPUs uses Gloo, and so does evaluation,
    which only exchanges small Python objects.

    Args:
        device: device that the flags name; each process of a machine gets another GPU.
        for_training: whether the run is a training, not an evaluation.

    Raises:
        InputError: a machine has fewer GPUs than processes.
    """
    if "RANK" not in os.environ:
        yield Ranks(device)
        return
    if dist.is_torchelastic_launched():  # else the parent may be a shell that ends earlier
        end_with_parent(signal.SIGTERM)  # a killed launcher cannot stop its processes
    if device.type == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise InputError(
                f"process {local} of this machine has no GPU: there are {torch.cuda.device_count()}; "
                "lower --nproc_per_node."
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if for_training:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    else:
        dist.init_process_group("gloo", timeout=EVALUATION_TIMEOUT)
    yield Ranks(device, dist.get_rank(), dist.get_world_size())
    # Not after an error: the other ranks may wait in an operation that never finishes.
    dist.destroy_process_group()
