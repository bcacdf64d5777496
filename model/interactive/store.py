"""Storage of an interactive session: probabilities, permanent memory and encoded frames."""

import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_leaves

from model.arguments import frame_tensor
from model.frame_propagation import FramePropagation
from model.network import Query
from model.padding import padding_for
from util.errors import InputError

DTYPES = {"uint8": torch.uint8, "half": torch.half, "float32": torch.float32}


@dataclass(frozen=True, eq=False)
class Stored:
    """Reference to probabilities in a `ProbabilityStore`, which frees them with the last reference."""

    number: int  # number of the stored array `(K+1) x H x W`
    labels: tuple[int, ...]  # labels of its K objects


@dataclass(frozen=True, eq=False)
class Given:
    """The permanent memory of a given frame: per label key `(h*w) x 128`, value `(h*w) x 512`, on the CPU."""

    frame: int
    rows: dict[int, tuple[Tensor, Tensor]]


@dataclass(eq=False)
class State:
    """The session's state."""

    labels: list[int]  # labels of the objects, in the order of the channels
    frames: dict[int, Stored] = field(default_factory=dict)  # probabilities by frame
    memory: list[Given] = field(default_factory=list)  # given frames, in the order in which masks were given
    # frames given since the last complete round, with their probabilities before
    pending: dict[int, Stored | None] = field(default_factory=dict)

    @property
    def given(self) -> list[int]:
        """Indices of the frames whose masks were given."""
        return list(dict.fromkeys(each.frame for each in self.memory))

    def shown(self) -> list[int]:
        """Return the labels of the objects that given masks have shown."""
        known = {label for each in self.memory for label in each.rows}
        return [label for label in self.labels if label in known]


class ProbabilityStore:
    """Stores probabilities in fewer bits; above a budget, the oldest go to files.

    Args:
        form: one of `DTYPES`.
        budget: limit of bytes in memory.
        size: (H, W) of the padded frames.
        device: device of the returned probabilities.
    """

    def __init__(self, form: str, budget: int, size: tuple[int, int], device: torch.device) -> None:
        self.form = form
        self.budget = budget
        self.size = size
        self.device = device
        self.held: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self.held_bytes = 0
        self._numbers = count()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def put(self, prob: Tensor, labels: Sequence[int]) -> Stored:
        """Store probabilities `(K+1) x H x W` of the background and of objects."""
        rounded = (prob * 255).round_() if self.form == "uint8" else prob
        array = rounded.to(DTYPES[self.form]).cpu().numpy()
        stored = Stored(next(self._numbers), tuple(labels))
        weakref.finalize(stored, self._forget, stored.number).atexit = False
        self.held[stored.number] = array
        self.held_bytes += array.nbytes
        while self.held_bytes > self.budget:
            oldest = next(iter(self.held))
            np.save(self._path(oldest), self.held[oldest])
            self.held_bytes -= self.held.pop(oldest).nbytes
        return stored

    def get(self, stored: Stored | None, labels: Sequence[int]) -> Tensor:
        """Return probabilities `(K+1) x H x W` of the background and of some objects.

        Objects that are not stored have probability 0; stored objects that are not requested count as
        background. Without stored probabilities all is background.
        """
        prob = torch.zeros(len(labels) + 1, *self.size, device=self.device)
        if stored is None:
            prob[0] = 1
            return prob
        if stored.number in self.held:
            self.held.move_to_end(stored.number)
            array = self.held[stored.number]
        else:
            array = np.load(self._path(stored.number))
        there = torch.from_numpy(array).to(self.device).float()
        if self.form == "uint8":
            there = there / 255
        prob[0] = there[0]
        for label, channel in zip(stored.labels, there[1:], strict=True):
            prob[labels.index(label) + 1 if label in labels else 0] += channel
        return prob

    def _forget(self, number: int) -> None:
        if number in self.held:
            self.held_bytes -= self.held.pop(number).nbytes
        elif self._folder is not None:
            self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="interactive_")
        return Path(self._folder.name) / f"{number}.npy"


class EncodedVideo:
    """The frames of a video as the network's input, and as queries, which are cached.

    Args:
        frames: normalised frames `3 x H x W` of one size.
        propagation: the network of the engine.
        budget: limit of bytes of the cache; beyond it, the frame farthest from the new one is removed.
    """

    def __init__(self, frames: Sequence[Tensor], propagation: FramePropagation, budget: int) -> None:
        self.frames = frames
        self.propagation = propagation
        self.budget = budget
        height, width = frame_tensor(frames[0]).shape[1:]
        self.size = height, width
        self.padding = padding_for(height, width)  # padding to multiples of 16
        self.queries: dict[int, Query] = {}

    def image(self, index: int) -> Tensor:
        """Return a frame as the network's input, `1 x 3 x H x W`; raise InputError for another size."""
        frame = frame_tensor(self.frames[index])
        if tuple(frame.shape[1:]) != self.size:
            raise InputError(
                f"frame {index} is {frame.shape[2]} x {frame.shape[1]}, the first one {self.size[1]} x "
                f"{self.size[0]}: give frames of one size."
            )
        return self.propagation.image(frame, self.padding)

    def query(self, index: int, image: Tensor) -> Query:
        """Return the encoding of a frame from the cache, or encode its `image`."""
        if index in self.queries:
            return self.queries[index]
        query = self.queries[index] = self.propagation.network.encode_query(image)
        size = sum(each.nbytes for each in tree_leaves(query) if isinstance(each, Tensor))
        most = self.budget // size  # all frames have the same size
        while len(self.queries) > most:
            del self.queries[max(self.queries, key=lambda other: abs(other - index))]
        return query
