"""The steps that all engines share: read the memory, decode, aggregate; encode a frame for the memory.

Objects go through the network in parts, which become smaller when a GPU runs out of memory.
"""

import logging
import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from model.aggregation import aggregate
from model.memory import chunk_numbers_on
from model.memory_bank import MemoryBank
from model.network import PropagationNetwork, Query
from model.padding import Padding, pad
from util.errors import InputError

log = logging.getLogger(__name__)

Result = TypeVar("Result")

CPU_PIXELS_AT_ONCE = 864 * 480  # objects times pixels in one pass; more and fewer were slower
MIN_CHUNK_NUMBERS = 1 << 16  # affinities; smaller chunks of the read save no relevant memory


class FramePropagation:
    """The network of an engine, with the number of objects in one pass.

    Args:
        network: the propagation network, in eval mode, on the device to compute on.
        objects_at_once: number of objects in one pass. None takes all objects on a GPU; on a CPU one object,
            or more while they have no more pixels than 864 x 480. When a GPU runs out of memory, this number
            and the chunks of the memory read are halved until the frame fits; results change only by
            rounding.
        free_memory: function that frees the engine's caches.

    Raises:
        InputError: the argument is not a network.
    """

    def __init__(
        self,
        network: PropagationNetwork,
        objects_at_once: int | None,
        free_memory: Callable[[], None] | None = None,
    ) -> None:
        if not hasattr(network, "encode_memory"):
            raise InputError(f"a network is what load_network returns, not a {type(network).__name__}.")
        self.network = network
        self.device = next(network.parameters()).device
        self.objects_at_once = objects_at_once
        self.chunk_numbers = chunk_numbers_on(self.device)
        self.free_memory = free_memory

    def on_device(self, x: Tensor) -> Tensor:
        """Return a frame or mask on the network's device."""
        # a CPU would compute before an asynchronous copy has finished
        return x.to(self.device, non_blocking=self.device.type == "cuda")

    def image(self, frame: Tensor, padding: Padding) -> Tensor:
        """Return a frame `3 x H x W` as the network's input, `1 x 3 x H x W`, padded."""
        padded = pad(self.on_device(frame).unsqueeze(0), padding)
        return padded.contiguous(memory_format=torch.channels_last)

    def segment(self, bank: MemoryBank, query: Query, count: int) -> Tensor:
        """Return aggregated probabilities `(K+1) x H x W` of a bank's K objects on an encoded query frame."""
        height, width = (16 * side for side in query.grid)
        if not count:
            return query.key.new_ones(1, height, width, dtype=torch.float32)
        key = query.key.float()
        logits = []
        for objects in self.parts(count, height * width):
            readout = bank.read(key, query.grid[1], objects, self.chunk_numbers)
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

    def in_available_memory(self, compute: Callable[[], Result], frame: int, count: int) -> Result:
        """Return compute(), repeated with smaller parts while the GPU has too little memory.

        Args:
            compute: function to call; a failed call must not change the state.
            frame: index of the frame, for messages.
            count: number of objects.

        Raises:
            InputError: the smallest parts do not fit.
        """
        while True:
            try:
                return compute()
            except torch.cuda.OutOfMemoryError as error:
                at_once = min(self.objects_at_once or count, count)
                if at_once <= 1 and self.chunk_numbers <= MIN_CHUNK_NUMBERS:
                    raise InputError(
                        f"frame {frame} does not fit into the GPU's memory, even one object at a time: "
                        "reduce the frames (--size), limit the memory (--max_memory_frames, --half_memory) "
                        "or use --amp."
                    ) from error
            # outside of the handler: the exception holds tensors of the failed call
            self.objects_at_once = max(1, at_once // 2)
            self.chunk_numbers = max(MIN_CHUNK_NUMBERS, self.chunk_numbers // 2)
            for free in (self.free_memory, self.network.free_memory):
                if free is not None:
                    free()
            torch.cuda.empty_cache()
            log.warning(
                "frame %d needs more memory than the GPU has: continuing with %d objects at once.",
                *(frame, self.objects_at_once),
            )

    def parts(self, count: int, pixels: int) -> list[slice]:
        """Return slices of `count` objects of `pixels` each, of at most `objects_at_once` objects."""
        size = self.objects_at_once
        if size is None:
            size = count if self.device.type != "cpu" else max(1, CPU_PIXELS_AT_ONCE // pixels)
        return [slice(start, start + size) for start in range(0, count, size)]
