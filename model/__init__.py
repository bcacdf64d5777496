"""The network and the engine."""

from model.checkpoint import load_network
from model.inference_core import InferenceCore
from model.network import PropagationNetwork

__all__ = ["InferenceCore", "PropagationNetwork", "load_network"]
