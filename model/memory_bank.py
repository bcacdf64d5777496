"""What the engine remembers of each object."""

import math
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from model import memory


class ObjectMemory:
    """Keys and values of one object's remembered frames, as rows in preallocated storage.

    Permanent frames fill the storage from the front; the temporary one (the previous frame) lies
    behind them and is overwritten by the next write. Storage grows geometrically.

    With `max_frames`, a write beyond the limit replaces the permanent frame with the smallest gap between its
    neighbours in time: never the first, and one whose mask was given only for another such. Where there is
    none, the frame is remembered as a temporary one: a limit of 1 keeps the first frame alone.

    Args:
        max_frames: permanent frames kept; None keeps all.
        half: store in half precision.
    """

    def __init__(self, max_frames: int | None = None, half: bool = False) -> None:
        self.max_frames = max_frames
        self.half = half
        self.times: list[int] = []  # time of the permanent frame in each slot
        self.given: list[bool] = []  # whether its mask was given, rather than predicted
        self.has_temporary = False
        self.keys = torch.empty(0, 0, 0)  # slots x (h*w) x Ck
        self.values = torch.empty(0, 0, 0)  # slots x (h*w) x Cv

    def write(self, key: Tensor, value: Tensor, time: int, permanent: bool, given: bool = False) -> None:
        """Remember a frame in place of the temporary one.

        Args:
            key: `(h*w) x Ck`.
            value: `(h*w) x Cv`.
            time: index of the frame in the video.
            permanent: keep the frame, rather than only until the next write.
            given: the mask on it was given, rather than predicted.
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
        """Make room for one more frame, so that `write` needs no more memory; arguments as its own."""
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
        """Return the slot that a frame with a given or predicted mask takes; None when all are worth more."""
        by_time = sorted(range(len(self.times)), key=self.times.__getitem__)
        times = [*(self.times[slot] for slot in by_time), math.inf]  # the newest goes last
        gap = {slot: times[i + 1] - times[i - 1] for i, slot in enumerate(by_time) if i > 0}
        predicted = {slot: size for slot, size in gap.items() if not self.given[slot]}
        candidates = predicted or (gap if given else {})
        return min(candidates, key=candidates.__getitem__) if candidates else None

    def _grown(self, old: Tensor, row: Tensor, slots: int) -> Tensor:
        """Return storage for `slots` frames like `row`, beginning with what `old` holds."""
        new = torch.empty(slots, *row.shape, device=row.device, dtype=torch.half if self.half else row.dtype)
        if old.shape[0]:
            new[: old.shape[0]].copy_(old)
        return new


class MemoryBank:
    """The memory of every object of a video.

    Args:
        top_k: memory positions kept for each query position; None reads all.
        km_sigma: standard deviation of the KMN kernel; None for no kernel.
        max_frames: permanent frames kept for each object; None keeps all.
        half: store in half precision.
        read: `model.memory.read`, or what computes the same, such as `PropagationNetwork.read_memory`.
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
        """Remember a frame for K objects; those beyond the ones known are new.

        Args:
            keys: `K x (h*w) x Ck`.
            values: `K x (h*w) x Cv`.
            time: index of the frame in the video.
            permanent: keep the frame, rather than only until the next write.
            given: indices of the objects whose masks were given on it, rather than predicted.
        """
        new = range(len(self.objects), len(keys))
        objects = [*self.objects, *(ObjectMemory(self.max_frames, self.half) for _ in new)]
        for each, key, value in zip(objects, keys, values, strict=True):
            each.reserve(key, value)  # for all first: out of memory, nothing is half-written
        self.objects = objects
        for index, (each, key, value) in enumerate(zip(objects, keys, values, strict=True)):
            each.write(key, value, time, permanent, index in given)

    def remove(self, index: int) -> None:
        """Forget object `index`; those behind it move up by one."""
        del self.objects[index : index + 1]  # an object first seen on the last frame has no memory

    def read(self, query_key: Tensor, width: int, objects: slice, chunk_numbers: int) -> Tensor:
        """Read the memory of some objects.

        Args:
            query_key: `1 x (h*w) x Ck`.
            width: width of the query grid.
            objects: which, say k of them.
            chunk_numbers: affinity numbers that may exist at once.

        Returns:
            `k x (h*w) x Cv`.
        """
        options: dict[str, Any] = {"width": width, "top_k": self.top_k, "km_sigma": self.km_sigma}
        return torch.cat(
            [
                self.read_one(*each.view(), query_key, **options, chunk_numbers=chunk_numbers)
                for each in self.objects[objects]
            ]
        )

    @property
    def nbytes(self) -> int:
        """Bytes of storage held."""
        return sum(each.keys.nbytes + each.values.nbytes for each in self.objects)
