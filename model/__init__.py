"""The networks of MiVOS and the engines that use them."""

import util.openmp  # noqa: F401 - before PyTorch
from model.checkpoint import load_fusion, load_network, load_s2m
from model.inference_core import InferenceCore
from model.interactive.core import InteractiveCore
from model.interactive.fusion import FusionNetwork
from model.interactive.s2m import S2MNetwork
from model.network import PropagationNetwork

__all__ = [
    "FusionNetwork",
    "InferenceCore",
    "InteractiveCore",
    "PropagationNetwork",
    "S2MNetwork",
    "load_fusion",
    "load_network",
    "load_s2m",
]
