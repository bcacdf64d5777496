"""The part of an annotation that is exported, and a snapshot of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset.video_files.frame_source import FrameSource, Selection
from scripts.annotator.cut_out import Edge, checked_edge
from scripts.annotator.document import Object
from scripts.annotator.edits import whole_number
from scripts.annotator.session import Session
from util.errors import InputError
from util.palette import voc_palette

Show = Callable[[float, float, str], None]  # done, total, what
Labels = NDArray[np.uint8]  # H x W


@dataclass(frozen=True)
class Choice:
    """The part of an annotation that is exported; by default all.

    Attributes:
        first: first frame.
        last: last frame; None for that of the video.
        labels: labels of the objects; None for all.
        edge: edge of cut-outs.
        apart: write one video per object.
    """

    first: int = 0
    last: int | None = None
    labels: Sequence[int] | None = None
    edge: Edge = field(default_factory=Edge)
    apart: bool = False


def checked_choice(raw: Mapping[str, Any], frames: int, labels: Sequence[int]) -> Choice:
    """Return the choice of a page or of the command line.

    Args:
        raw: "first", "last", "objects", "feather", "choke" and "apart"; None for the default.
        frames: number of frames of the video.
        labels: labels of all objects.

    Raises:
        InputError: a frame or object does not exist, no object is chosen, or a number is out of range.
    """
    given = {name: value for name, value in raw.items() if value is not None}
    first = whole_number(given.get("first", 0), "first", frames - 1)
    last = whole_number(given.get("last", frames - 1), "last", frames - 1)
    if first > last:
        raise InputError(f"the range from {first} to {last} is empty.")
    chosen = given.get("objects")
    if chosen is not None:
        if not isinstance(chosen, list) or not chosen:
            raise InputError("choose one object or more.")
        strange = [label for label in chosen if label not in labels]
        if strange:
            raise InputError(f"there is no object {strange[0]}; there are {', '.join(map(str, labels))}.")
    return Choice(first, last, chosen, checked_edge(given), given.get("apart") is True)


class Snapshot:
    """The chosen objects and masks; later edits do not change them.

    Args:
        session: the annotation.
        choice: the frames and objects.

    Attributes:
        objects: the chosen objects, in their order.
        frames: the chosen frames.
        pictures: the video.
    """

    def __init__(self, session: Session, choice: Choice) -> None:
        self.pictures = session.pictures
        self._session = session
        self.frames = range(
            choice.first, (len(self.pictures) - 1 if choice.last is None else choice.last) + 1
        )
        with session.lock:
            document = session.document
            chosen = document.objects if choice.labels is None else map(document.object, choice.labels)
            self._present = {frame: document.state(frame).present for frame in document.touched}
            self._histories = {frame: document.history(frame) for frame in document.touched}
            self._all = {each.label for each in document.objects}
        self.objects: tuple[Object, ...] = tuple(chosen)

    @property
    def source(self) -> FrameSource:
        """The chosen frames."""
        return Selection(self.pictures.source, self.frames)

    def only(self, label: int) -> "Snapshot":
        """Return the snapshot of one object."""
        other = copy(self)
        other.objects = tuple(each for each in self.objects if each.label == label)
        return other

    def label_map(self, frame: int) -> Labels:
        """Return a frame's labels `H x W`; do not write to them."""
        with self._session.lock:
            labels = self._session.masks.after(frame, self._histories.get(frame, []))
        chosen = [each.label for each in self.objects]
        return labels if self._all <= {*chosen} else np.where(np.isin(labels, chosen), labels, np.uint8(0))

    def present(self, frame: int) -> frozenset[int]:
        """Return the labels that have pixels in a frame."""
        return self._present.get(frame, frozenset()) & {each.label for each in self.objects}

    def masks(self, show: Show) -> Iterator[tuple[int, str, Labels]]:
        """Yield each frame's number, name and labels; frames that a damaged video file lacks are left out."""
        names = self.pictures.source.names
        for done, index in enumerate(self.frames):
            show(done, len(self.frames), f"frame {names[index]}")
            if not self.pictures.is_missing(index):
                yield index, names[index], self.label_map(index)

    def palette(self) -> list[int]:
        """Return the objects' colours as a palette, R G B R G B ..., background black."""
        palette = voc_palette()
        for each in self.objects:
            palette[3 * each.label : 3 * each.label + 3] = bytes.fromhex(each.colour[1:])
        return palette
