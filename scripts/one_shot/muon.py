"""Muon: steps along the orthogonal matrix that is nearest to the momentum.

Adam scales each weight by itself; a few directions of a convolution's gradient, which are large from the
start, then fill most of its step. Here all directions count alike (Jordan et al., "Muon", 2024), and a
network that starts from random weights learns more in few steps. One that starts from known weights keeps to
Adam, by which they were found.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from model.training.adam import ViewingAdam

MOMENTUM = 0.95
EVERY = 8  # steps: finding a direction is costly, so a matrix moves once in so many, as far as in all of them
REACH = 1.6  # how far a weight moves per step: root mean square, in learning rates; with twice that fits fail
LEAST = 16  # rows and columns of a matrix; smaller ones are left to Adam
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of Jordan et al.; five times take singular values to about 1
TIMES = 5


class Muon(ViewingAdam):
    """Muon for convolutions, Adam for all else, and for convolutions of few channels.

    The weights of a convolution `O x C x h x w` are a matrix `O x (h*w*C)`.

    Args:
        parameters: what is trained.
        lr: learning rate of Adam, from which Muon's follows.
        weight_decay: of what Adam trains.
        dtype: of the products that find a direction; for them bfloat16 is precise enough.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, weight_decay: float, dtype: torch.dtype = torch.float32
    ) -> None:
        weights = list(parameters)
        matrices = [weight for weight in weights if min(matrix_shape(weight)) >= LEAST]
        known = set(map(id, matrices))
        groups = [matrices, [weight for weight in weights if id(weight) not in known]]
        super().__init__([{"params": group} for group in groups if group], lr=lr, weight_decay=weight_decay)
        self._step_supports_amp_scaling = False  # GradScaler is to leave out the step of an infinite gradient
        self.dtype = dtype
        self.turns = dict(zip(matrices, turns(list(map(matrix_shape, matrices))), strict=True))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; each matrix moves in every `EVERY`-th."""
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        weights = [weight for weight in self.turns if weight.grad is not None]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        with without_gradients(weights):
            super().step()
        for weight in weights:
            if not self.state[weight]:
                state = {"step": torch.zeros(()), "momentum": torch.zeros_like(weight)}  # on the processor
                self.state[weight].update(state)
        momenta = [self.state[weight]["momentum"] for weight in weights]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        lr = self.param_groups[0]["lr"]
        for weight, gradient, momentum in zip(weights, gradients, momenta, strict=True):
            taken = self.state[weight]["step"]
            if int(taken) % EVERY == self.turns[weight]:
                ahead = gradient.lerp(momentum, MOMENTUM)  # Nesterov's
                direction = nearest_orthogonal(as_matrix(ahead).to(self.dtype))
                alpha = -EVERY * REACH * lr * math.sqrt(max(direction.shape))
                weight.add_(as_weights(direction, weight), alpha=alpha)
            taken += 1
        return None if closure is None else loss


@contextmanager
def without_gradients(weights: Sequence[Tensor]) -> Iterator[None]:
    """Within the context, let an optimiser pass over these weights."""
    gradients = [weight.grad for weight in weights]
    for weight in weights:
        weight.grad = None
    try:
        yield
    finally:
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient


def matrix_shape(weight: Tensor) -> tuple[int, int]:
    """Return the rows and columns of weights as a matrix: 1 x 1 if they are not those of a convolution."""
    return (len(weight), weight[0].numel()) if weight.ndim == 4 else (1, 1)


def as_matrix(weight: Tensor) -> Tensor:
    """Return `O x C x h x w` as `O x (h*w*C)`: where weights lie channels-last, without a copy."""
    return weight.permute(0, 2, 3, 1).flatten(1)


def as_weights(matrix: Tensor, like: Tensor) -> Tensor:
    """Return a matrix as weights of the shape of others."""
    outputs, channels, height, width = like.shape
    return matrix.reshape(outputs, height, width, channels).permute(0, 3, 1, 2)


def turns(shapes: Sequence[tuple[int, int]]) -> list[int]:
    """Deal matrices out to `EVERY` turns, each about as costly as the others; return the turn of each."""
    costs = [min(shape) * shape[0] * shape[1] for shape in shapes]
    loads, dealt = [0] * EVERY, [0] * len(shapes)
    for number in sorted(range(len(shapes)), key=lambda number: -costs[number]):
        dealt[number] = loads.index(min(loads))
        loads[dealt[number]] += costs[number]
    return dealt


def nearest_orthogonal(matrix: Tensor) -> Tensor:
    """Return a matrix `M x N` with the same singular vectors and all singular values near 1.

    Newton and Schulz's iteration, which needs products alone; 0.7 to 1.2 comes of singular values that are
    more than some thousandths of the norm, less of smaller ones.
    """
    wide = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    x = wide / (1.01 * wide.norm()).clamp(min=1e-20)
    once, thrice, five_times = NEWTON_SCHULZ
    for _ in range(TIMES):
        gram = x @ x.mT  # the smaller side squared
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=thrice, alpha=five_times), x, beta=once)
    return x.mT if matrix.shape[0] > matrix.shape[1] else x
