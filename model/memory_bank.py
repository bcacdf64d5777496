"""The memory bank: keys and values of the remembered frames, per object.

Permanent memory stays: frames whose masks the user gave, and every `mem_every`-th frame. Temporary memory is
the previous frame, replaced by the next one. `model/inference_core.py`, the next file to read, writes and
reads it.
"""

import math
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from model import memory


class ObjectMemory:
    """The remembered frames of one object, as rows in preallocated storage that grows geometrically.

    Permanent frames fill the slots from the front. The temporary frame is in the slot behind them and is
    overwritten by the next write.

    With `max_frames`, a permanent frame beyond the limit replaces the one with the smallest gap between its
    neighbours in time. The first frame is never replaced, and a frame with a given mask only by another one.
    When no frame can be replaced, the new frame becomes temporary; so a limit of 1 keeps the first frame
    alone.

    Args:
        max_frames: limit of permanent frames; None for no limit.
        half: whether to store half precision.
    """

    def __init__(self, max_frames: int | None = None, half: bool = False) -> None:
        self.max_frames = max_frames
        self.half = half
        self.times: list[int] = []  # index of the permanent frame in each slot
        self.given: list[bool] = []  # whether each permanent frame's mask was given, not predicted
        self.has_temporary = False
        self.keys = torch.empty(0, 0, 0)  # slots x (h*w) x Ck
        self.values = torch.empty(0, 0, 0)  # slots x (h*w) x Cv

    def write(self, key: Tensor, value: Tensor, time: int, permanent: bool, given: bool = False) -> None:
        """Store a frame; it replaces the temporary one.

        Args:
            key: `(h*w) x Ck`.
            value: `(h*w) x Cv`.
            time: index of the frame in the video.
            permanent: whether to keep the frame after the next write.
            given: whether the object's mask on it was given, not predicted.
        """
        slot = len(self.times)
        if permanent and self.max_frames is not None and slot >= self.max_frames:
            replaced = self._least_useful_slot(given)
            permanent, slot = replaced is not None, slot if replaced is None else replaced
        self.reserve(key, value)
        if permanent:
            self.times[slot : slot + 1], self.given[slot : slot + 1] = [time], [given]
        self.has_temporary = not permanent
        self.keys[slot].copy_(key)
        self.values[slot].copy_(value)

    def reserve(self, key: Tensor, value: Tensor) -> None:
        """Allocate storage for one more frame, so that `write` cannot run out of memory."""
        slots = len(self.times) + 1
        held = self.keys.shape[0]
        if slots <= held:
            return
        grown = max(slots, 4, held + held // 2)
        if self.max_frames is not None:
            grown = max(slots, min(grown, self.max_frames + 1))
        keys = self._grown(self.keys, key, grown)
        self.keys, self.values = keys, self._grown(self.values, value, grown)

    def view(self) -> tuple[Tensor, Tensor]:
        """Return keys `1 x N x Ck` and values `1 x N x Cv` of all remembered frames, without a copy."""
        frames = len(self.times) + self.has_temporary
        return self.keys[:frames].flatten(0, 1)[None], self.values[:frames].flatten(0, 1)[None]

    def _least_useful_slot(self, given: bool) -> int | None:
        """Return the slot of the permanent frame to replace, by the rule of the class; or None."""
        by_time = sorted(range(len(self.times)), key=self.times.__getitem__)
        times = [*(self.times[slot] for slot in by_time), math.inf]  # the newest frame has an infinite gap
        gap = {slot: times[i + 1] - times[i - 1] for i, slot in enumerate(by_time) if i > 0}
        predicted = {slot: size for slot, size in gap.items() if not self.given[slot]}
        candidates = predicted or (gap if given else {})
        return min(candidates, key=candidates.__getitem__) if candidates else None

    def _grown(self, old: Tensor, row: Tensor, slots: int) -> Tensor:
        """Return storage for `slots` frames of the shape of `row`, with the content of `old` copied."""
        new = torch.empty(slots, *row.shape, device=row.device, dtype=torch.half if self.half else row.dtype)
        if old.shape[0]:
            new[: old.shape[0]].copy_(old)
        return new


class MemoryBank:
    """The memory of all objects of a video.

    Args:
        top_k: number of memory positions read per query position; None reads all.
        km_sigma: standard deviation of the KMN kernel; None for no kernel.
        max_frames: limit of permanent frames per object; None for no limit.
        half: whether to store half precision.
        read: `model.memory.read`, or a function with the same result (`PropagationNetwork.read_memory`).
    """

    def __init__(
        self,
        top_k: int | None,
        km_sigma: float | None,
        max_frames: int | None,
        half: bool = False,
        read: Callable[..., Tensor] = memory.read,
    ) -> None:
        self.read_one = read
        self.top_k = top_k
        self.km_sigma = km_sigma
        self.max_frames = max_frames
        self.half = half
        self.objects: list[ObjectMemory] = []

    def write(
        self, keys: Tensor, values: Tensor, time: int, permanent: bool, given: Collection[int] = ()
    ) -> None:
        """Store a frame of K objects, see `ObjectMemory.write`; the objects after the known ones are new.

        Args:
            keys: `K x (h*w) x Ck`.
            values: `K x (h*w) x Cv`.
            time: index of the frame.
            permanent: whether to keep the frame after the next write.
            given: indices of the objects with a given mask on the frame.
        """
        new = range(len(self.objects), len(keys))
        objects = [*self.objects, *(ObjectMemory(self.max_frames, self.half) for _ in new)]
        for each, key, value in zip(objects, keys, values, strict=True):
            each.reserve(key, value)  # for all objects first: without memory, nothing is half-written
        self.objects = objects
        for index, (each, key, value) in enumerate(zip(objects, keys, values, strict=True)):
            each.write(key, value, time, permanent, index in given)

    def remove(self, index: int) -> None:
        """Remove object `index`; the indices of later objects decrease by one."""
        del self.objects[index : index + 1]  # an object first seen on the last frame has no memory

    def read(self, query_key: Tensor, width: int, objects: slice) -> Tensor:
        """Read the memory of k objects, `k x (h*w) x Cv`.

        Args:
            query_key: `1 x (h*w) x Ck`.
            width: width of the query grid.
            objects: slice of the objects.
        """
        options: dict[str, Any] = {"width": width, "top_k": self.top_k, "km_sigma": self.km_sigma}
        return torch.cat(
            [self.read_one(*each.view(), query_key, **options) for each in self.objects[objects]]
        )
