"""Captures network calls as CUDA graphs and replays them.

A frame of 854 x 480 is hundreds of kernels. Launching them one by one takes the processor longer than a
large GPU takes to compute them; a CUDA graph launches all at once.
"""

import logging
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

log = logging.getLogger(__name__)

RECORDED = ("encode_query", "encode_memory", "decode")  # of the propagation network
CALLS_BEFORE = 3  # of one shape: recording is not worth it for a shape that hardly comes again
MOST_RECORDINGS = 8  # of a function; the one replayed longest ago is dropped


class Recording(NamedTuple):
    """A graph with the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    outputs: list[Any]  # tensors, and what else the function returns
    structure: TreeSpec  # of what it returns
    weights: list[Tensor]  # whose place in memory must not become that of others


class Workspace:
    """The memory in which the recordings of a network compute, one of them at a time."""

    def __init__(self) -> None:
        self.memory = torch.cuda.graph_pool_handle()
        self.lock = threading.Lock()


class ReplayedFunction:
    """Calls a function of tensors on a GPU, and from the fourth call with the same shapes on replays it.

    Outside inference mode, and for tensors on a CPU, it is the function itself. Several threads may call it.

    Args:
        function: a method of a network. Calls with equal shapes and other arguments share a recording.
        network: the network. A recording is valid while its weights stay where they are.
        workspace: of all functions of the network.
    """

    def __init__(self, function: Callable[..., Any], network: nn.Module, workspace: Workspace) -> None:
        self.function = function
        self.network = network
        self.workspace = workspace
        self.calls: Counter[Any] = Counter()
        self.recordings: OrderedDict[Any, Recording] = OrderedDict()

    def __call__(self, *args: Any) -> Any:
        """Return what the function returns."""
        leaves, structure = tree_flatten(args)
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        on_gpu = all(tensor.is_cuda for tensor in tensors)
        if not (on_gpu and torch.is_inference_mode_enabled()):
            return self.function(*args)
        key = (str(structure), *(alike(leaf) for leaf in leaves), *self._surroundings())
        with self.workspace.lock:
            if key not in self.recordings:
                self.calls[key] += 1
                if self.calls[key] <= CALLS_BEFORE or not self._record(key, leaves, structure):
                    return self.function(*args)
            self.recordings.move_to_end(key)
            return replay(self.recordings[key], tensors)

    def forget(self) -> None:
        """Free the memory of all recordings; what is called often is recorded again."""
        with self.workspace.lock:
            self.recordings.clear()
            self.calls.clear()

    def _surroundings(self) -> tuple[object, ...]:
        """Return what else a recording depends on; weights that move all do."""
        return next(self.network.parameters()).data_ptr(), torch.backends.cudnn.allow_tf32

    def _record(self, key: object, leaves: list[Any], structure: TreeSpec) -> bool:
        """Record a call; tell whether it could be."""
        while len(self.recordings) >= MOST_RECORDINGS:
            dropped, _ = self.recordings.popitem(last=False)
            self.calls[dropped] = 0
        weights = [weight.detach() for weight in self.network.parameters()]
        try:
            self.recordings[key] = record(self.function, leaves, structure, weights, self.workspace)
        except torch.cuda.OutOfMemoryError:
            self.calls[key] = -1000  # try again much later
            return False
        except RuntimeError as error:  # PyTorch has no type of its own for what cannot be recorded
            log.warning("frames are computed without CUDA graphs, since they cannot be recorded: %s", error)
            self.calls[key] = -sys.maxsize
            return False
        return True


def alike(leaf: object) -> object:
    """Return what must be equal in an argument of a call that can be replayed."""
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
    """Record a call of a function on copies of its arguments, which are given flattened."""
    own = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    inputs = [leaf for leaf in own if isinstance(leaf, Tensor)]
    arguments = tree_unflatten(own, structure)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(inputs[0].device):
        side = torch.cuda.Stream()  # nothing can be recorded on the usual one
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            function(*arguments)  # libraries set themselves up in the first call on a stream
            # other threads may go on with what would disturb a recording of theirs
            graph.capture_begin(pool=workspace.memory, capture_error_mode="thread_local")
            try:
                result = function(*arguments)
            finally:
                graph.capture_end()
        torch.cuda.current_stream().wait_stream(side)
    outputs, structure = tree_flatten(result)
    return Recording(graph, inputs, outputs, structure, weights)


def replay(recording: Recording, tensors: list[Tensor]) -> Any:
    """Return the result of a recorded function for other tensors of the same shapes."""
    for own, tensor in zip(recording.inputs, tensors, strict=True):
        own.copy_(tensor)
    recording.graph.replay()
    results = [each.clone() if isinstance(each, Tensor) else each for each in recording.outputs]
    return tree_unflatten(results, recording.structure)


def replay_on_gpu(network: nn.Module) -> None:
    """Replace the methods of a network that make up a frame by replayed ones."""
    workspace = Workspace()
    for name in RECORDED:
        if hasattr(network, name):
            setattr(network, name, ReplayedFunction(getattr(network, name), network, workspace))
            setattr(network, "free_memory", partial(forget_recordings, network))  # noqa: B010


def forget_recordings(network: nn.Module) -> None:
    """Free the GPU memory that recordings of a network hold."""
    for name in RECORDED:
        getattr(network, name).forget()
