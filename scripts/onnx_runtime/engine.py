"""The engine: propagates masks through a video, one frame at a time."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.onnx_runtime.graphs import Graphs

Floats = NDArray[np.float32]

EPSILON = np.float32(1e-7)  # probabilities are clamped to EPSILON ... 1 - EPSILON


class Engine:
    """Propagates object masks through one video, as `model.InferenceCore` does.

    Frames are given in order; objects may appear on any frame. One engine serves one video.

    Args:
        graphs: graphs of the network; they also fix how the memory is read (top_k, km_sigma).
        mem_every: a frame is remembered permanently when this number of frames has passed since the last
            permanent one.
        max_memory_frames: limit of permanent frames per object; None for no limit.
        remember_previous: whether to remember every frame for the next one.

    Attributes:
        labels: labels of the known objects, in the order of the probability channels.
    """

    def __init__(
        self,
        graphs: Graphs,
        *,
        mem_every: int = 5,
        max_memory_frames: int | None = None,
        remember_previous: bool = True,
    ) -> None:
        self.graphs = graphs
        self.mem_every = mem_every
        self.max_memory_frames = max_memory_frames
        self.remember_previous = remember_previous
        self.labels: list[int] = []
        self.memories: list[ObjectMemory] = []  # one per object
        self.time = -1  # index of the last frame
        self.last_permanent = 0

    def step(self, frame: Floats, mask: NDArray[np.integer[Any]] | None = None) -> Floats:
        """Segment the next frame.

        Args:
            frame: normalised frame, `3 x H x W`.
            mask: labels `H x W` of objects given on this frame, new ones or corrections; 0 is background.

        Returns:
            Probabilities `(K+1) x H x W` of the background and the objects in `labels`; they sum to one.
        """
        self.time += 1
        padding = [(0, 0), *(padding_for(side, self.graphs.stride) for side in frame.shape[1:])]
        image = np.pad(frame, padding)[None]
        prob = self._segment(image)
        given = {} if mask is None else {int(label): mask == label for label in np.unique(mask) if label}
        if given:
            prob = self._with_given(prob, {label: np.pad(each, padding[1:]) for label, each in given.items()})
        permanent = bool(given) or self.time - self.last_permanent >= self.mem_every
        if permanent or self.remember_previous:
            self._remember(image, prob[1:], permanent, [label in given for label in self.labels])
        _, (top, _), (left, _) = padding
        return prob[:, top : top + frame.shape[1], left : left + frame.shape[2]]

    def _segment(self, image: Floats) -> Floats:
        """Return probabilities `(K+1) x H x W` of the known objects on a padded frame `1 x 3 x H x W`."""
        objects = [np.empty((0, *image.shape[2:]), np.float32)]
        if self.labels:
            query = self.graphs.encode_query(image)
            # objects with the same number of remembered frames could be one call, which no CPU does faster
            objects += [sigmoid(self.graphs.segment(*memory.view(), query)) for memory in self.memories]
        return aggregate(np.concatenate(objects))

    def _with_given(self, prob: Floats, given: dict[int, NDArray[np.bool_]]) -> Floats:
        """Replace predicted by given masks, `H x W` by label; objects that are not known become known."""
        new = [label for label in given if label not in self.labels]
        objects = np.concatenate([prob[1:], np.zeros((len(new), *prob.shape[1:]), np.float32)])
        objects[:, np.any(list(given.values()), axis=0)] = 0
        self.labels += new
        self.memories += [ObjectMemory(self.max_memory_frames) for _ in new]
        for label, mask in given.items():
            objects[self.labels.index(label)] = mask
        return aggregate(objects)

    def _remember(self, image: Floats, objects: Floats, permanent: bool, given: list[bool]) -> None:
        """Remember a padded frame.

        Args:
            image: the frame, `1 x 3 x H x W`.
            objects: probabilities of the K objects, `K x H x W`.
            permanent: whether to keep the frame, rather than only for the next one.
            given: for each object, whether its mask was given on this frame.
        """
        others = objects.sum(axis=0) - objects
        for i, memory in enumerate(self.memories):
            key, value = self.graphs.encode_memory(image, objects[i : i + 1], others[i : i + 1])
            memory.write(key[0], value[0], self.time, permanent, given[i])
        if permanent and self.memories:
            self.last_permanent = self.time


class ObjectMemory:
    """Keys and values of one object's remembered frames.

    Permanent frames fill the storage from the front. The temporary one (the previous frame) lies behind them
    and is overwritten by the next write. Storage grows by half, so that frames are rarely copied.

    Args:
        max_frames: limit of permanent frames; None for no limit. A further frame replaces the one with the
            smallest gap between its neighbours in time: never the first, and a frame with a given mask only
            by another such frame. If there is none to replace, the new frame is temporary.
    """

    def __init__(self, max_frames: int | None = None) -> None:
        self.max_frames = max_frames
        self.times: list[int] = []  # frame index of each permanent frame
        self.given: list[bool] = []  # whether its mask was given
        self.has_temporary = False
        self.keys: Floats | None = None  # slots x P x 128
        self.values: NDArray[Any] | None = None  # slots x P x 512

    def write(self, key: Floats, value: NDArray[Any], time: int, permanent: bool, given: bool) -> None:
        """Remember a frame in place of the temporary one.

        Args:
            key: memory key, `P x 128`.
            value: memory value, `P x 512`.
            time: index of the frame.
            permanent: whether to keep the frame, rather than only until the next write.
            given: whether the mask of this frame was given.
        """
        slot: int | None = len(self.times)
        if permanent and slot == self.max_frames:
            slot = self._least_useful(given)
            permanent = slot is not None
        slot = len(self.times) if slot is None else slot
        self.keys, self.values = with_row(self.keys, slot, key), with_row(self.values, slot, value)
        if permanent:
            self.times[slot : slot + 1], self.given[slot : slot + 1] = [time], [given]
        self.has_temporary = not permanent

    def view(self) -> tuple[Floats, NDArray[Any]]:
        """Return keys `1 x T x P x 128` and values `1 x T x P x 512` of the T remembered frames, uncopied."""
        assert self.keys is not None and self.values is not None
        frames = len(self.times) + self.has_temporary
        return self.keys[None, :frames], self.values[None, :frames]

    def _least_useful(self, given: bool) -> int | None:
        """Return the slot to replace by a frame with a given or predicted mask; None if there is none."""
        by_time = sorted(range(len(self.times)), key=self.times.__getitem__)
        times = [*(self.times[slot] for slot in by_time), math.inf]  # the newest goes last
        gap = {slot: times[i + 1] - times[i - 1] for i, slot in enumerate(by_time) if i > 0}
        predicted = {slot: size for slot, size in gap.items() if not self.given[slot]}
        candidates = predicted or (gap if given else {})
        return min(candidates, key=candidates.__getitem__) if candidates else None


def with_row(storage: NDArray[Any] | None, slot: int, row: NDArray[Any]) -> NDArray[Any]:
    """Write a row into storage `slots x ...`, which grows by half when it is full."""
    if storage is None or slot == len(storage):
        grown = np.empty((max(4, slot + slot // 2), *row.shape), row.dtype)
        if storage is not None:
            grown[:slot] = storage
        storage = grown
    storage[slot] = row
    return storage


def padding_for(side: int, multiple: int) -> tuple[int, int]:
    """Return the zeros before and after a side that make it a multiple; an odd one comes after."""
    zeros = -side % multiple
    return zeros // 2, zeros - zeros // 2


def aggregate(objects: Floats) -> Floats:
    """Return probabilities of background and objects, `(K+1) x H x W`, which sum to one.

    The background is the product of 1 - p. All are weighted by their odds p / (1 - p).

    Args:
        objects: independent probabilities p, `K x H x W`.
    """
    background = np.prod(1 - objects, axis=0, keepdims=True)
    prob = np.concatenate([background, objects]).clip(EPSILON, 1 - EPSILON)
    odds = prob / (1 - prob)
    return odds / odds.sum(axis=0)


def sigmoid(logits: Floats) -> Floats:
    """Return the probabilities of logits."""
    return 1 / (1 + np.exp(-logits.clip(-80, 80)))
