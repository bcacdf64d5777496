"""Deterministic weights: each tensor is drawn from its own name, the same on every machine.

The golden numbers in tests/golden were computed with them by an independent implementation.
Nothing is trained; the numbers keep activations in range and make masks that move.
"""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model import FusionNetwork, S2MNetwork
from tests.conftest import GOLDEN

PRED_BIAS = -6.5  # brings the decoder's logits to about zero


def tensor_for(name: str, shape: tuple[int, ...]) -> Tensor:
    random = np.random.RandomState(zlib.crc32(name.encode()))
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return torch.zeros((), dtype=torch.long)
    if name == "decoder.pred.bias":
        return torch.tensor([PRED_BIAS])
    if len(shape) == 4:  # convolution kernels
        gain = 0.5 if "key_proj" in name else 0.3 if name == "decoder.pred.weight" else 2.0
        numbers = random.standard_normal(shape) * np.sqrt(gain / (shape[1] * shape[2] * shape[3]))
    elif leaf == "running_mean":
        numbers = random.standard_normal(shape) * 0.1
    elif leaf == "running_var":
        numbers = random.uniform(0.8, 1.25, shape)
    elif leaf == "weight":  # batch-norm scale; the last one of a bottleneck is small
        numbers = random.uniform(*((0.15, 0.35) if "bn3" in name else (0.8, 1.2)), shape)
    else:  # biases
        numbers = random.standard_normal(shape) * 0.05
    return torch.from_numpy(numbers.astype(np.float32))


def fill(module: nn.Module, prefix: str = "") -> nn.Module:
    """Set the weights of a network, which may be on the device `meta`; names are drawn with a prefix."""
    state = {name: tensor_for(prefix + name, tuple(t.shape)) for name, t in module.state_dict().items()}
    module.load_state_dict(state, assign=True)
    return module


def save_state(network, path: Path) -> Path:
    """Save the weights of a network as published checkpoints do; return the path."""
    torch.save(network.state_dict(), path)
    return path


def golden_tensors(name: str) -> dict[str, Tensor]:
    """Read a file of golden numbers."""
    with np.load(GOLDEN / name) as numbers:
        return {key: torch.from_numpy(numbers[key]) for key in numbers}


def with_golden_weights(network: Callable[..., nn.Module], prefix: str = "", **options) -> nn.Module:
    """Build a network with the golden weights."""
    with torch.device("meta"):  # spares the initialisation
        built = network(**options)
    return fill(built, prefix)


def s2m_network() -> S2MNetwork:
    return with_golden_weights(S2MNetwork, "s2m.").eval()


def fusion_network() -> FusionNetwork:
    return with_golden_weights(FusionNetwork, "fusion.").eval()


def relative_error(ours: Tensor, golden: object) -> float:
    """Return the largest difference, relative to the largest golden number; axes of length 1 are dropped."""
    expected = torch.as_tensor(golden).squeeze()
    return ((ours.cpu().squeeze() - expected).abs().max() / expected.abs().max()).item()
