"""The scribble-to-mask and the fusion network with the weights of the golden numbers."""

import torch
from torch import Tensor

from model import FusionNetwork, S2MNetwork
from tests.golden_weights import fill


def relative_error(ours: Tensor, golden: object) -> float:
    """Return the largest difference, relative to the largest golden number; axes of length 1 are dropped."""
    expected = torch.as_tensor(golden).squeeze()
    return ((ours.cpu().squeeze() - expected).abs().max() / expected.abs().max()).item()


def s2m_network() -> S2MNetwork:
    with torch.device("meta"):  # spares the initialisation
        network = S2MNetwork()
    return fill(network, "s2m.").eval()


def fusion_network() -> FusionNetwork:
    return fill(FusionNetwork(), "fusion.").eval()
