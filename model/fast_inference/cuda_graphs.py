"""Captures network calls as CUDA graphs and replays them.

A frame of 854 x 480 is hundreds of kernels. Launching them one by one takes the processor longer than a
large GPU takes to compute them; a CUDA graph launches all at once.
"""

import logging
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

log = logging.getLogger(__name__)

RECORDED = ("encode_query", "encode_memory", "decode")  # methods of the propagation network
CALLS_BEFORE = 3  # calls with a shape before it is captured: a rare shape is not worth it
MOST_RECORDINGS = 8  # most graphs of a method; the least recently replayed one is dropped


class Recording(NamedTuple):
    """A graph with the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    outputs: list[Any]  # the function's result, flattened
    structure: TreeSpec  # structure of the result
    weights: list[Tensor]  # weights that the graph reads; held so that their memory stays


class Workspace(NamedTuple):
    """The memory pool that the graphs of a network share; one of them runs at a time."""

    memory: Any
    lock: threading.Lock


class ReplayedFunction:
    """Calls a function of GPU tensors; from the fourth call with the same shapes on, replays a CUDA graph.

    Outside inference mode, and for CPU tensors, it calls the function. It is safe for several threads.

    Args:
        function: a method of the network.
        network: the network; a graph is valid while the weights stay at their memory address.
        workspace: memory pool of the network's graphs.
    """

    def __init__(self, function: Callable[..., Any], network: nn.Module, workspace: Workspace) -> None:
        self.function = function
        self.network = network
        self.workspace = workspace
        self.calls: Counter[Any] = Counter()
        self.recordings: OrderedDict[Any, Recording] = OrderedDict()

    def __call__(self, *args: Any) -> Any:
        """Return the result of the function."""
        leaves, structure = tree_flatten(args)
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        on_gpu = all(tensor.is_cuda for tensor in tensors)
        if not (on_gpu and torch.is_inference_mode_enabled()):
            return self.function(*args)
        # a graph also depends on the address of the weights, which move together, and on TF32
        address = next(self.network.parameters()).data_ptr()
        key = (str(structure), *map(signature, leaves), address, torch.backends.cudnn.allow_tf32)
        with self.workspace.lock:
            if key not in self.recordings:
                self.calls[key] += 1
                if self.calls[key] <= CALLS_BEFORE or not self._record(key, leaves, structure):
                    return self.function(*args)
            self.recordings.move_to_end(key)
            return replay(self.recordings[key], tensors)

    def _record(self, key: object, leaves: list[Any], structure: TreeSpec) -> bool:
        """Capture a call and return whether it succeeded."""
        while len(self.recordings) >= MOST_RECORDINGS:
            dropped, _ = self.recordings.popitem(last=False)
            self.calls[dropped] = 0
        weights = [weight.detach() for weight in self.network.parameters()]
        try:
            self.recordings[key] = record(self.function, leaves, structure, weights, self.workspace)
        except RuntimeError as error:  # PyTorch has no more special error for a failed capture
            log.warning("frames are computed without CUDA graphs, since the capture failed: %s", error)
            self.calls[key] = -sys.maxsize
            return False
        return True


def signature(leaf: object) -> object:
    """Return the properties of an argument that must be equal to replay a call."""
    if isinstance(leaf, Tensor):
        return leaf.shape, leaf.stride(), leaf.dtype, leaf.device
    return str(leaf)


def record(
    function: Callable[..., Any],
    leaves: list[Any],
    structure: TreeSpec,
    weights: list[Tensor],
    workspace: Workspace,
) -> Recording:
    """Capture a call of a function on copies of its flattened arguments, `leaves` and their `structure`."""
    own = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    inputs = [leaf for leaf in own if isinstance(leaf, Tensor)]
    arguments = tree_unflatten(own, structure)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(inputs[0].device):
        side = torch.cuda.Stream()  # the default stream cannot be captured
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            function(*arguments)  # libraries set up in the first call on a stream
            # other threads may call functions that are not allowed during a capture
            graph.capture_begin(pool=workspace.memory, capture_error_mode="thread_local")
            try:
                result = function(*arguments)
            finally:
                graph.capture_end()
        torch.cuda.current_stream().wait_stream(side)
    outputs, structure = tree_flatten(result)
    return Recording(graph, inputs, outputs, structure, weights)


def replay(recording: Recording, tensors: list[Tensor]) -> Any:
    """Return the result of a captured function for other tensors of the same shapes."""
    for own, tensor in zip(recording.inputs, tensors, strict=True):
        own.copy_(tensor)
    recording.graph.replay()
    results = [each.clone() if isinstance(each, Tensor) else each for each in recording.outputs]
    return tree_unflatten(results, recording.structure)


def replay_on_gpu(network: nn.Module) -> None:
    """Replace the network's methods in `RECORDED` by replayed ones, in place."""
    workspace = Workspace(torch.cuda.graph_pool_handle(), threading.Lock())
    for name in RECORDED:
        if hasattr(network, name):
            setattr(network, name, ReplayedFunction(getattr(network, name), network, workspace))
