"""The graphs of the propagation network, and the engine that carries masks through a video with them."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from util.errors import InputError

Floats = NDArray[np.float32]

NAMES = ("encode_query", "encode_memory", "segment")
EPSILON = np.float32(1e-7)  # probabilities are clamped to EPSILON ... 1 - EPSILON


class Graphs:
    """The propagation network as `scripts.export_onnx` writes it.

    Args:
        folder: folder of the three files.
        providers: onnxruntime's execution providers, in order of preference.

    Raises:
        InputError: onnxruntime or a file is missing, or a file is no ONNX graph.
    """

    def __init__(self, folder: Path, providers: Sequence[str] = ("CPUExecutionProvider",)) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError("onnxruntime is missing: run `pip install onnxruntime`.") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", 0))  # 0: one for each core
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting uses no CPU
        options.log_severity_level = 4  # errors are raised, not printed as well
        self.sessions = {}
        for path in (folder / f"{name}.onnx" for name in NAMES):
            if not path.is_file():
                raise InputError(f"there is no graph at {path}: run `python -m scripts.export_onnx`.")
            try:
                session = onnxruntime.InferenceSession(path, options, providers=list(providers))
            except Exception as error:  # onnxruntime's errors have no common type
                raise InputError(f"{path} cannot be opened as an ONNX graph: export it again.") from error
            self.sessions[path.stem] = session
        self.metadata = session.get_modelmeta().custom_metadata_map  # text by name, see docs/EXPORT.md

    def run(self, name: str, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Return a graph's outputs; docs/EXPORT.md lists inputs and outputs. May raise MemoryError."""
        session = self.sessions[name]
        names = [each.name for each in session.get_inputs()]
        try:
            return session.run(None, dict(zip(names, inputs, strict=True)))
        except Exception as error:
            if "Failed to allocate memory" in str(error):
                raise MemoryError(str(error)) from error
            raise


class Engine:
    """Propagates object masks through one video, as `model.InferenceCore` does.

    Frames are given in order; objects may appear on any frame. One engine serves one video.

    Args:
        graphs: graphs of the network; they also fix how the memory is read (top_k, km_sigma).
        mem_every: number of frames from one permanent frame to the next.
        max_memory_frames: limit of permanent frames per object; None for no limit.
        remember_previous: whether to remember every frame for the next one.
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
        self.labels: list[int] = []  # of the known objects, in the order of the probability channels
        self.memories: list[ObjectMemory] = []  # one per object
        self.time = -1  # index of the last frame
        self.last_permanent = 0
        self.shape: tuple[int, ...] = ()  # of all frames

    def step(self, frame: Floats, mask: NDArray[np.integer[Any]] | None = None) -> Floats:
        """Segment the next frame.

        Args:
            frame: normalised frame, `3 x H x W`.
            mask: labels `H x W` of objects given on this frame, new ones or corrections; 0 is background.

        Returns:
            Probabilities `(K+1) x H x W` of the background and the objects in `labels`; they sum to one.

        Raises:
            InputError: the frame or the mask has another size than the frames before.
            MemoryError: the objects, or the frames that they remember, are too many for this computer.
        """
        self.shape = self.shape or frame.shape
        if frame.shape != self.shape:
            raise InputError("a frame has another size than the ones before it: give all in one size.")
        if mask is not None and mask.shape != frame.shape[1:]:
            raise InputError("a mask has another size than its frame: give it in the frame's size.")
        self.time += 1
        stride = int(self.graphs.metadata["stride"])
        zeros = [-side % stride for side in frame.shape[1:]]  # an odd one comes after the frame
        padding = [(each // 2, each - each // 2) for each in zeros]
        image = np.pad(frame, [(0, 0), *padding])[None]
        prob = self._segment(image)
        given = {} if mask is None else {int(label): mask == label for label in np.unique(mask) if label}
        if given:
            prob = self._with_given(prob, {label: np.pad(each, padding) for label, each in given.items()})
        permanent = bool(given) or self.time - self.last_permanent >= self.mem_every
        if permanent or self.remember_previous:
            self._remember(image, prob[1:], permanent, [label in given for label in self.labels])
        (top, _), (left, _) = padding
        return prob[:, top : top + frame.shape[1], left : left + frame.shape[2]]

    def _segment(self, image: Floats) -> Floats:
        """Return probabilities `(K+1) x H x W` of the known objects on a padded frame `1 x 3 x H x W`."""
        objects = [np.empty((0, *image.shape[2:]), np.float32)]
        if self.labels:
            query = self.graphs.run("encode_query", image)
            # objects with the same number of remembered frames could be one call, which no CPU does faster
            for memory in self.memories:
                (logits,) = self.graphs.run("segment", *memory.view(), *query)
                objects.append(1 / (1 + np.exp(-logits.clip(-80, 80))))
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
        """Remember a padded frame `1 x 3 x H x W` with its K objects, `K x H x W`; some masks were given."""
        others = objects.sum(axis=0) - objects
        for i, memory in enumerate(self.memories):
            masks = objects[i : i + 1], others[i : i + 1]
            key, value = self.graphs.run("encode_memory", image, *masks)
            memory.write(Remembered(key, value, self.time, given[i]), permanent)
        if permanent and self.memories:
            self.last_permanent = self.time


class Remembered(NamedTuple):
    """A frame in the memory of an object."""

    key: Floats  # 1 x P x 128
    value: NDArray[Any]  # 1 x P x 512
    time: int  # index of the frame
    given: bool  # whether its mask was given


class ObjectMemory:
    """The remembered frames of one object.

    Beyond the limit, a permanent frame replaces the one with the smallest gap between its neighbours in time:
    never the first, and a frame with a given mask only by another such frame. If there is none to replace,
    the new frame is temporary.
    """

    def __init__(self, max_frames: int | None = None) -> None:
        self.max_frames = max_frames
        self.permanent: list[Remembered] = []  # in order of time
        self.temporary: list[Remembered] = []  # at most the previous frame

    def write(self, frame: Remembered, permanent: bool) -> None:
        """Store a frame, replacing the temporary one; `permanent`: whether later writes keep it."""
        if permanent and len(self.permanent) == self.max_frames:
            replaced = self._least_useful(frame.given)
            permanent = replaced is not None
            if replaced is not None:
                self.permanent.pop(replaced)
        self.permanent += [frame] * permanent
        self.temporary = [] if permanent else [frame]

    def view(self) -> tuple[Floats, NDArray[Any]]:
        """Return keys `1 x T x P x 128` and values `1 x T x P x 512` of the T remembered frames."""
        frames = self.permanent + self.temporary
        return np.stack([f.key for f in frames], axis=1), np.stack([f.value for f in frames], axis=1)

    def _least_useful(self, given: bool) -> int | None:
        """Return the index to replace by a frame with a given or predicted mask; None if there is none."""
        times = [*(frame.time for frame in self.permanent), math.inf]  # the newest goes last
        gap = {i: times[i + 1] - times[i - 1] for i in range(1, len(self.permanent))}
        predicted = {i: size for i, size in gap.items() if not self.permanent[i].given}
        candidates = predicted or (gap if given else {})
        return min(candidates, key=candidates.__getitem__, default=None)


def aggregate(objects: Floats) -> Floats:
    """Turn independent probabilities p, `K x H x W`, into `(K+1) x H x W` that sum to one.

    The background is the product of 1 - p. All are weighted by their odds p / (1 - p).
    """
    background = np.prod(1 - objects, axis=0, keepdims=True)
    prob = np.concatenate([background, objects]).clip(EPSILON, 1 - EPSILON)
    odds = prob / (1 - prob)
    return odds / odds.sum(axis=0)
