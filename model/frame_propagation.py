"""The steps that all engines share: read the memory, decode, aggregate; encode a frame for the memory.

Objects go through the network in parts.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from model.aggregation import aggregate
from model.memory_bank import MemoryBank
from model.network import PropagationNetwork, Query
from model.padding import Padding, pad
from util.errors import InputError

CPU_PIXELS_AT_ONCE = 864 * 480  # objects times pixels in one pass; more and fewer were slower


class FramePropagation:
    """The network of an engine, with the number of objects in one pass.

    Args:
        network: the propagation network, in eval mode, on the device to compute on.
        objects_at_once: number of objects in one pass. None takes all objects on a GPU; on a CPU one object,
            or more while they have no more pixels than 864 x 480.

    Raises:
        InputError: the argument is not a network.
    """

    def __init__(self, network: PropagationNetwork, objects_at_once: int | None) -> None:
        if not hasattr(network, "encode_memory"):
            raise InputError(f"a network is what load_network returns, not a {type(network).__name__}.")
        self.network = network
        self.device = next(network.parameters()).device
        self.objects_at_once = objects_at_once

    def on_device(self, x: Tensor) -> Tensor:
        """Return a frame or mask on the network's device."""
        # a CPU would compute before an asynchronous copy has finished
        return x.to(self.device, non_blocking=self.device.type == "cuda")

    def image(self, frame: Tensor, padding: Padding) -> Tensor:
        """Return a frame `3 x H x W` as the network's input, `1 x 3 x H x W`, padded."""
        padded = pad(self.on_device(frame).unsqueeze(0), padding)
        return padded.contiguous(memory_format=torch.channels_last)

    def segment(self, bank: MemoryBank, query: Query, count: int) -> Tensor:
        """Return aggregated probabilities `(K+1) x H x W` of a bank's objects on a query; `count` is K."""
        height, width = (16 * side for side in query.grid)
        if not count:
            return query.key.new_ones(1, height, width, dtype=torch.float32)
        key = query.key.float()
        logits = []
        for objects in self.parts(count, height * width):
            readout = bank.read(key, query.grid[1], objects)
            logits.append(self.network.decode(readout, query))
        return aggregate(torch.cat(logits).sigmoid_().squeeze(1))

    def encode(self, image: Tensor, objects: Tensor) -> tuple[Tensor, Tensor]:
        """Return float32 memory keys `K x (h*w) x 128` and values `K x (h*w) x 512` of a frame.

        Args:
            image: padded frame `1 x 3 x H x W`.
            objects: probabilities of the objects, `K x H x W`.
        """
        parts = self.parts(len(objects), math.prod(objects.shape[-2:]))
        encoded = [self.network.encode_memory(image, objects[None], part) for part in parts]
        keys, values = (torch.cat(each).float() for each in zip(*encoded, strict=True))
        return keys, values

    def parts(self, count: int, pixels: int) -> list[slice]:
        """Return slices of `count` objects of `pixels` each, of at most `objects_at_once` objects."""
        size = self.objects_at_once
        if size is None:
            size = count if self.device.type != "cpu" else max(1, CPU_PIXELS_AT_ONCE // pixels)
        return [slice(start, start + size) for start in range(0, count, size)]


@contextmanager
def fitting_into_memory(frame: int) -> Iterator[None]:
    """Raise InputError where a GPU has too little memory for a frame; `frame` is its index."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise InputError(
            f"frame {frame} does not fit into the GPU's memory: compute fewer objects at once "
            "(--objects_at_once 1), reduce the frames (--size), limit the memory (--max_memory_frames, "
            "--half_memory) or use --amp."
        ) from error
