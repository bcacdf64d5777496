"""Training steps, and checkpoints to continue from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.checkpoint import load_file, load_state, network_state
from model.training.forward import TrainingForward
from model.training.losses import PROPAGATION_BOOTSTRAP, Bootstrap, count_overlap, frame_losses, hard_fraction
from util.device import amp_dtype
from util.errors import InputError
from util.ranks import Ranks

WEIGHT_DECAY = 1e-7
PARTS = {"it", "network", "optimizer", "scheduler"}  # keys of every training checkpoint, also the original's


class StepResult(NamedTuple):
    """Results of a step for this process's share of the batch."""

    losses: Tensor  # T, one per segmented frame
    fraction: float  # fraction of the pixels that counted
    intersection: Tensor  # K pixel counts
    union: Tensor  # K pixel counts
    gradient_norm: Tensor
    learning_rate: float
    logits: Tensor  # B x T x (K+1) x H x W


class Trainer:
    """Trains a network, alone or as one of several processes.

    Each process takes its share of the batch. The gradient is that of the whole batch, so the weights stay
    equal in all processes.

    Args:
        task: forward pass with the network, on the device of `ranks`; the first process's network is copied
            to all.
        ranks: processes of the run.
        lr: learning rate.
        steps: iterations at which the learning rate is multiplied by `gamma`.
        gamma: factor of the learning rate.
        bootstrap: schedule of the fraction of pixels that count.
        compiled: whether to use torch.compile.
        clip_grad: limit of the gradient's norm; None for no limit.
        seed: seed of random numbers in the network, such as dropout.

    Attributes:
        iteration: number of steps taken.
    """

    def __init__(
        self,
        task: TrainingForward,
        ranks: Ranks,
        *,
        lr: float = 1e-5,
        steps: Sequence[int] = (),
        gamma: float = 0.1,
        bootstrap: Bootstrap = PROPAGATION_BOOTSTRAP,
        compiled: bool = False,
        clip_grad: float | None = None,
        seed: int = 0,
    ) -> None:
        self.iteration = 0
        self.seed = seed
        self.ranks = ranks
        self.clip_grad = clip_grad
        self.task = task
        self.bootstrap = bootstrap
        self.network = network = task.network.to(memory_format=task.memory_format).train()
        self.forward: nn.Module = task
        if compiled:
            self.forward.compile()
        if ranks.is_distributed:
            # DDP copies the first process's parameters to all. Batch norm statistics are copied once, since
            # they are frozen, or equal in all processes (`nn.SyncBatchNorm`).
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)
            self.forward = DistributedDataParallel(
                self.forward, broadcast_buffers=False, gradient_as_bucket_view=True
            )
        self.optimizer = torch.optim.Adam(network.parameters(), lr, weight_decay=WEIGHT_DECAY, fused=True)
        self.scheduler = torch.optim.lr_scheduler.MultiStepLR(self.optimizer, list(steps), gamma)
        needs_scaling = task.amp and amp_dtype(ranks.device) == torch.float16
        self.scaler = torch.amp.GradScaler(ranks.device.type, enabled=needs_scaling)

    def step(self, batch: dict[str, Any]) -> StepResult:
        """Take one step.

        Args:
            batch: batch of the task; `info` names its samples.

        Raises:
            InputError: the loss or its gradient is not finite; the weights do not change.
        """
        tensors = {
            name: value.to(self.ranks.device, non_blocking=True)
            for name, value in batch.items()
            if isinstance(value, Tensor)
        }
        target, selector = self.task.truth(tensors)
        fraction = hard_fraction(self.iteration, self.bootstrap)
        learning_rate = float(self.scheduler.get_last_lr()[0])

        seed = np.random.SeedSequence((self.seed, self.iteration, self.ranks.rank)).generate_state(1)
        torch.manual_seed(int(seed[0]))
        logits = self.forward(*self.task.inputs(tensors))
        losses = frame_losses(logits, target, selector, fraction, self.task.pooled_loss)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(losses.sum()).backward()
        self.scaler.unscale_(self.optimizer)
        gradient_norm = self._gradient_norm()
        self._check_finite(losses, gradient_norm, batch.get("info"))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        self.iteration += 1

        logits = logits.detach()
        intersection, union = count_overlap(logits, target)
        return StepResult(
            losses.detach(), fraction, intersection, union, gradient_norm, learning_rate, logits
        )

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate of the next steps."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def state(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return a checkpoint with the settings of the run, from which a later process continues exactly.

        It needs no random state: all random numbers depend on the seed and the iteration.
        """
        return {
            "it": self.iteration,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "settings": settings,
        }

    def load_checkpoint(self, content: dict[str, Any], path: Path) -> None:
        """Continue from a checkpoint; raise InputError when it belongs to another network or optimiser.

        Args:
            content: result of `read_checkpoint`.
            path: path of the file, for the error message.
        """
        load_state(self.network, network_state(content), path)
        try:
            self.optimizer.load_state_dict(content["optimizer"])
            self.scheduler.load_state_dict(content["scheduler"])
            if "scaler" in content:
                self.scaler.load_state_dict(content["scaler"])
        except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise InputError(
                f"the optimiser's state in {path} does not fit ({error}): start a new run from its weights "
                "by --load_network."
            ) from error
        self.iteration = content["it"]

    def _gradient_norm(self) -> Tensor:
        """Return the norm of the gradient, and clip the gradient."""
        weights = [weight for weight in self.network.parameters() if weight.grad is not None]
        norm = nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
        if self.clip_grad is not None:
            nn.utils.clip_grads_with_norm_(weights, self.clip_grad, norm)
        return norm

    def _check_finite(self, losses: Tensor, gradient_norm: Tensor, info: Any) -> None:
        """Raise InputError in every process when a loss or gradient is not finite in any process.

        With loss scaling an infinite gradient is allowed: the scaler skips that step.
        """
        bad_loss = ~losses.isfinite().all()
        bad_gradient = ~gradient_norm.isfinite() & (not self.scaler.is_enabled())
        if any(self.ranks.any([bad_loss, bad_gradient])):
            raise InputError(
                f"iteration {self.iteration} has a loss or gradient that is not finite (in this process "
                f"{losses.sum().item()} and {gradient_norm.item()}, on the batch {info}): look at these "
                "samples, or start again from the last network (--load_network) with a lower --lr or with "
                "--clip_grad."
            )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a training checkpoint of this code, or of the original with None for "settings".

    Raises:
        InputError: the file cannot be read, or is not a checkpoint.
    """
    content = load_file(path)
    missing = PARTS - content.keys()
    if missing or not isinstance(content["it"], int):
        raise InputError(
            f"{path} is no checkpoint of a training run, it lacks {', '.join(sorted(missing or {'it'}))}: "
            "give a ..._checkpoint.pth, or start a new run from its weights by --load_network."
        )
    return {"settings": None, **content}
