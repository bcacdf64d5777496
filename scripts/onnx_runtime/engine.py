"""The engine: carries masks through a video, one frame at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.onnx_runtime import pictures
from scripts.onnx_runtime.graphs import Graphs
from scripts.onnx_runtime.memory import ObjectMemory
from util.errors import InputError

Floats = NDArray[np.float32]


class Engine:
    """Propagates object masks through one video, as `model.InferenceCore` does.

    Frames are given in order; objects may arrive on any frame. One engine serves one video.

    Args:
        graphs: of the network; how the memory is read (top_k, km_sigma) was chosen when they were exported.
        mem_every: a frame is remembered for good when at least this many frames have passed since the last
            one that was.
        max_memory_frames: frames remembered for good per object; None for no limit.
        remember_previous: also remember every frame for the next one alone.

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
        self.memories: list[ObjectMemory] = []  # of each object
        self.time = -1
        self.last_permanent = 0
        self.size: tuple[int, int] | None = None

    def step(self, frame: NDArray[Any], mask: NDArray[Any] | None = None) -> Floats:
        """Segment the next frame.

        Args:
            frame: an RGB picture, `H x W x 3`, uint8, or `3 x H x W`, float32, normalised.
            mask: labels `H x W` of objects given on this frame, new ones or corrections; 0 is background.

        Returns:
            Probabilities `(K+1) x H x W` of the background and the objects in `labels`.

        Raises:
            InputError: frame or mask cannot be used, or an object does not fit into memory.
        """
        try:
            return self._step(frame, mask)
        except MemoryError as error:
            raise InputError(
                f"frame {self.time + 1} with its objects does not fit into this machine's memory: bound what "
                "is remembered (max_memory_frames), or give smaller frames or fewer objects."
            ) from error

    def label_map(self, prob: Floats, size: tuple[int, int] | None = None) -> NDArray[Any]:
        """Turn the result of `step` into labels.

        Args:
            prob: `(K+1) x h x w`.
            size: (H, W) of the result, to which probabilities are resized first; None keeps `h x w`.

        Returns:
            `H x W`, uint8, or int32 when a label exceeds 255.
        """
        return pictures.most_probable(prob, [0, *self.labels], size or (prob.shape[1], prob.shape[2]))

    def _step(self, frame: NDArray[Any], mask: NDArray[Any] | None) -> Floats:
        frame = self._normalised(frame)
        size = (frame.shape[1], frame.shape[2])
        if self.size not in (None, size):
            raise InputError(
                f"a frame is {size[1]} x {size[0]}, those before it are not: bring all to one size."
            )
        given = given_masks(mask, size)
        rows, columns = pictures.padding_for(size, self.graphs.stride)
        image = np.pad(frame, ((0, 0), rows, columns))[None]
        time, known = self.time + 1, [*self.labels, *(label for label in given if label not in self.labels)]
        prob = self._segment(image)
        if given:
            objects = np.zeros((len(known), *image.shape[2:]), np.float32)
            objects[: len(self.labels)] = prob[1:]
            masks = {label: np.pad(given[label], (rows, columns)) for label in given}
            objects[:, sum(masks.values()) > 0.5] = 0  # what the given masks cover
            for label in given:
                objects[known.index(label)] = masks[label]
            prob = pictures.aggregate(objects)
        permanent = bool(given) or time - self.last_permanent >= self.mem_every
        if known and (permanent or self.remember_previous):
            self._remember(image, prob[1:], time, permanent, [label in given for label in known])
        self.size, self.time, self.labels = size, time, known
        return prob[:, rows[0] : rows[0] + size[0], columns[0] : columns[0] + size[1]]

    def _segment(self, image: Floats) -> Floats:
        """Return probabilities `(K+1) x H x W` of the K known objects on a padded frame, `1 x 3 x H x W`."""
        if not self.labels:
            return pictures.aggregate(np.zeros((0, *image.shape[2:]), np.float32))
        query = self.graphs.encode_query(image)
        # objects that are equally long known could be segmented together, which no CPU does faster
        logits = [self.graphs.segment(*memory.view(), query) for memory in self.memories]
        return pictures.aggregate(pictures.sigmoid(np.concatenate(logits)))

    def _remember(
        self, image: Floats, objects: Floats, time: int, permanent: bool, given: list[bool]
    ) -> None:
        """Remember a padded frame with its objects.

        Args:
            image: `1 x 3 x H x W`.
            objects: their probabilities, `K x H x W`.
            time: index of the frame.
            permanent: keep it, rather than only for the next frame.
            given: whether the mask of each object was given on it.
        """
        others = objects.sum(axis=0) - objects
        encoded = [
            self.graphs.encode_memory(image, objects[i : i + 1], others[i : i + 1])
            for i in range(len(objects))
        ]
        self.memories += [ObjectMemory(self.max_memory_frames) for _ in objects[len(self.memories) :]]
        for memory, (key, value), mask_given in zip(self.memories, encoded, given, strict=True):
            memory.write(key[0], value[0], time, permanent, mask_given)
        if permanent:
            self.last_permanent = time

    def _normalised(self, frame: NDArray[Any]) -> Floats:
        """Return a frame as `3 x H x W`, normalised; raise InputError for what is none."""
        if frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3:
            return pictures.normalise(frame, self.graphs.mean, self.graphs.std)
        if frame.dtype == np.float32 and frame.ndim == 3 and frame.shape[0] == 3:
            return frame
        raise InputError(
            f"a frame must be H x W x 3 of bytes or 3 x H x W of float32, not {frame.shape} of {frame.dtype}."
        )


def given_masks(mask: NDArray[Any] | None, size: tuple[int, int]) -> dict[int, Floats]:
    """Return the masks `H x W`, 0 or 1, of a label map by label; raise InputError when it does not fit."""
    if mask is None:
        return {}
    if mask.shape != size or mask.dtype.kind not in "biu" or mask.min(initial=0) < 0:
        raise InputError(
            f"a mask must be labels {size[0]} x {size[1]}, whole numbers from 0 on, as its frame is, not "
            f"{mask.shape} of {mask.dtype}."
        )
    return {int(label): (mask == label).astype(np.float32) for label in np.unique(mask) if label}
