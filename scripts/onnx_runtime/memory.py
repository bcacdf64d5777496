"""What is remembered of one object."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class ObjectMemory:
    """Keys and values of one object's remembered frames.

    Permanent frames fill the storage from the front; the temporary one (the previous frame) lies behind them
    and is overwritten by the next write. Storage grows by half, so that frames are rarely copied.

    Args:
        max_frames: permanent frames kept; None keeps all. Beyond it the frame with the smallest gap between
            its neighbours in time is replaced: never the first, and one with a given mask only by another
            such. Where there is none, the new frame is temporary.
    """

    def __init__(self, max_frames: int | None = None) -> None:
        self.max_frames = max_frames
        self.times: list[int] = []  # time of the permanent frame in each slot
        self.given: list[bool] = []  # whether its mask was given, rather than predicted
        self.has_temporary = False
        self.keys: Floats = np.empty((0, 0, 0), np.float32)  # slots x P x 128
        self.values: NDArray[Any] = np.empty((0, 0, 0))  # slots x P x 512

    def write(self, key: Floats, value: NDArray[Any], time: int, permanent: bool, given: bool) -> None:
        """Remember a frame in place of the temporary one.

        Args:
            key: `P x 128`.
            value: `P x 512`.
            time: index of the frame in the video.
            permanent: keep the frame, rather than only until the next write.
            given: the mask on it was given, rather than predicted.
        """
        slot = len(self.times)
        if permanent and slot == self.max_frames:
            replaced = self._least_useful(given)
            permanent, slot = replaced is not None, slot if replaced is None else replaced
        if slot == len(self.keys):
            slots = max(4, slot + slot // 2)
            self.keys, self.values = grown(self.keys, key, slots), grown(self.values, value, slots)
        if permanent:
            self.times[slot : slot + 1], self.given[slot : slot + 1] = [time], [given]
        self.has_temporary = not permanent
        self.keys[slot], self.values[slot] = key, value

    def view(self) -> tuple[Floats, NDArray[Any]]:
        """Return keys `1 x T x P x 128` and values `1 x T x P x 512` of the T remembered frames, uncopied."""
        frames = len(self.times) + self.has_temporary
        return self.keys[None, :frames], self.values[None, :frames]

    def _least_useful(self, given: bool) -> int | None:
        """Return the slot that a frame with a given or predicted mask takes; None when all are worth more."""
        by_time = sorted(range(len(self.times)), key=self.times.__getitem__)
        times = [*(self.times[slot] for slot in by_time), math.inf]  # the newest goes last
        gap = {slot: times[i + 1] - times[i - 1] for i, slot in enumerate(by_time) if i > 0}
        predicted = {slot: size for slot, size in gap.items() if not self.given[slot]}
        candidates = predicted or (gap if given else {})
        return min(candidates, key=candidates.__getitem__) if candidates else None


def grown(old: NDArray[Any], row: NDArray[Any], slots: int) -> NDArray[Any]:
    """Return storage for `slots` frames like `row`, beginning with what `old` holds."""
    new = np.empty((slots, *row.shape), row.dtype)
    if len(old):
        new[: len(old)] = old
    return new
