"""The processes of a run: who they are, what they agree on, and how they share work."""

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

# Ranks that evaluate finish hours apart when videos are long; none may give up on the others.
EVALUATION_TIMEOUT = timedelta(days=7)


@dataclass(frozen=True)
class Ranks:
    """This process among all of a run.

    Attributes:
        device: to compute on.
        rank: number of this process, over all machines.
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
        """Return the sum of a tensor over all processes; each must call this."""
        if self.is_distributed:
            numbers = numbers.clone()
            dist.all_reduce(numbers)
        return numbers

    def any(self, flags: Sequence[bool | Tensor]) -> list[bool]:
        """Return for each flag whether it is set in any process; each must call this.

        Args:
            flags: bools or scalar bool tensors on this process's device.
        """
        numbers = torch.stack([torch.as_tensor(flag, device=self.device).float() for flag in flags])
        return (self.sum(numbers) > 0).tolist()

    def from_first(self, value: Value) -> Value:
        """Return the first process's value in all of them; each must call this."""
        if not self.is_distributed:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: Value) -> list[Value]:
        """Return every process's value, in order of ranks; each must call this."""
        if not self.is_distributed:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values


def share(lengths: Sequence[int], count: int) -> list[list[int]]:
    """Share out items so that ranks finish together: longest first, each to the least loaded rank.

    Args:
        lengths: work in each item.
        count: number of ranks.

    Returns:
        For each rank, the indices of its items, in the order of work.
    """
    shares: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        rank = loads.index(min(loads))
        shares[rank].append(index)
        loads[rank] += lengths[index]
    return shares


@contextmanager
def joined_ranks(device: torch.device, for_training: bool) -> Iterator[Ranks]:
    """Join the processes that a launcher started; without a launcher this one is alone.

    Both `torchrun` and `python -m torch.distributed.launch` describe the run in environment
    variables. Processes that train on GPUs talk over NCCL, one GPU each; those on CPUs over Gloo.
    Evaluation exchanges small Python objects alone, over Gloo on any device.

    Args:
        device: of the flags; with several GPUs each process of a machine gets its own.
        for_training: see above.

    Raises:
        InputError: a machine has fewer GPUs than processes.
    """
    if "RANK" not in os.environ:
        yield Ranks(device)
        return
    if dist.is_torchelastic_launched():  # else the parent may be a shell that is free to leave
        end_with_parent(signal.SIGTERM)  # a launcher that is killed cannot stop its processes itself
    if device.type == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise InputError(
                f"process {local} of this machine has no GPU of its own, there are "
                f"{torch.cuda.device_count()}: lower --nproc_per_node."
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if for_training:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    else:
        dist.init_process_group("gloo", timeout=EVALUATION_TIMEOUT)
    yield Ranks(device, dist.get_rank(), dist.get_world_size())
    # Not after an error: the others may wait in an operation that will never finish.
    dist.destroy_process_group()
