"""The scribble-to-mask and the fusion network with the weights of the golden numbers."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from model import FusionNetwork, S2MNetwork
from tests.golden_weights import tensor_for


def filled(build: Callable[[], nn.Module], prefix: str) -> nn.Module:
    """Return a network with golden weights, which are drawn from their names with a prefix."""
    with torch.device("meta"):
        network = build()
    numbers = {
        name: tensor_for(prefix + name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(numbers, assign=True)
    return network.eval()


def relative_error(ours: Tensor, golden: object) -> float:
    """Return the largest difference, relative to the largest golden number; axes of length 1 are dropped."""
    expected = torch.as_tensor(golden).squeeze()
    return ((ours.cpu().squeeze() - expected).abs().max() / expected.abs().max()).item()


def s2m_network() -> S2MNetwork:
    return filled(S2MNetwork, "s2m.")


def fusion_network() -> FusionNetwork:
    return filled(FusionNetwork, "fusion.")
