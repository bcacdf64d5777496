"""The scribble-to-mask and the fusion network with the weights of the golden numbers."""

from collections.abc import Callable

import torch
from torch import nn

from model import FusionNetwork, S2MNetwork
from tests.golden_weights import tensor_for


def filled(build: Callable[[], nn.Module], prefix: str) -> nn.Module:
    """Return a network of tensors drawn from their names behind a prefix, without drawing others first."""
    with torch.device("meta"):
        network = build()
    numbers = {
        name: tensor_for(prefix + name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(numbers, assign=True)
    return network.eval()


def s2m_network() -> S2MNetwork:
    return filled(S2MNetwork, "s2m.")


def fusion_network() -> FusionNetwork:
    return filled(FusionNetwork, "fusion.")
