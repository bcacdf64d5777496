"""The processes of a training run: who they are, and what they agree on."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from util.device import select_device
from util.errors import InputError


@dataclass(frozen=True)
class TrainingRanks:
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


@contextmanager
def joined_ranks(device_name: str) -> Iterator[TrainingRanks]:
    """Join the processes that a launcher started; without a launcher this one is alone.

    Both `torchrun` and `python -m torch.distributed.launch` describe the run in environment
    variables. Processes on GPUs talk over NCCL, one GPU each; those on CPUs over Gloo.

    Args:
        device_name: of `--device`.

    Raises:
        InputError: a machine has fewer GPUs than processes.
    """
    device = select_device(device_name)
    if "RANK" not in os.environ:
        yield TrainingRanks(device)
        return
    if device.type == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise InputError(
                f"process {local} of this machine has no GPU of its own, there are "
                f"{torch.cuda.device_count()}: lower --nproc_per_node."
            )
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield TrainingRanks(device, dist.get_rank(), dist.get_world_size())
    # Not after an error: the others may wait in an operation that will never finish.
    dist.destroy_process_group()
