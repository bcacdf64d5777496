"""The part of an annotation that is exported, and a snapshot of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from dataset.video_files.frame_source import FrameSource, Selection
from scripts.annotator.cut_out import Edge
from scripts.annotator.document import Object
from scripts.annotator.edits import checked
from scripts.annotator.masks import Labels
from scripts.annotator.session import Session
from util.palette import voc_palette

Show = Callable[[float, float, str], None]  # done, total, what


class Choice(NamedTuple):
    """The part of an annotation that is exported; by default all."""

    first: int = 0
    last: int | None = None  # None for that of the video
    objects: Sequence[int] | None = None  # labels
    edge: Edge = Edge()  # of cut-outs
    apart: bool = False  # write one video per object


def checked_choice(raw: Mapping[str, Any], session: Session) -> Choice:
    """Return the choice of a page or of the command line.

    Args:
        raw: "first", "last", "objects", "feather", "choke" and "apart"; None for the default.
        session: the annotation.

    Raises:
        InputError: a frame or object does not exist, no object is chosen, or a number is out of range.
    """
    given = {name: value for name, value in raw.items() if value is not None}
    choice = checked("export", given, len(session.pictures))
    for label in choice.get("objects", []):
        session.document.object(label)
    edge = Edge(choice.pop("feather", 0), choice.pop("choke", 0))
    return Choice(edge=edge, **choice)


class Snapshot:
    """The chosen objects and masks; later edits do not change them.

    Attributes:
        objects: the chosen objects, in their order.
        frames: the chosen frames.
    """

    def __init__(self, session: Session, choice: Choice) -> None:
        self.choice = choice
        self.pictures = session.pictures
        self._session = session
        end = len(self.pictures) if choice.last is None else choice.last + 1
        self.frames = range(choice.first, end)
        with session.lock:
            document = session.document
            chosen = document.objects if choice.objects is None else map(document.object, choice.objects)
            self._present = {frame: document.state(frame).present for frame in document.touched}
            self._histories = {frame: document.history(frame) for frame in document.touched}
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

    def present(self, frame: int) -> frozenset[int]:
        """Return the labels that have pixels in a frame."""
        return self._present.get(frame, frozenset()) & {each.label for each in self.objects}

    def masks(self, show: Show) -> Iterator[tuple[int, str, Labels]]:
        """Yield number, name and labels `H x W` of each frame, without those that a damaged video lacks."""
        names, chosen = self.pictures.source.names, [each.label for each in self.objects]
        for done, index in enumerate(self.frames):
            show(done, len(self.frames), f"frame {names[index]}")
            if not self.pictures.is_missing(index):
                with self._session.lock:
                    labels = self._session.masks.after(index, self._histories.get(index, []))
                yield index, names[index], np.where(np.isin(labels, chosen), labels, np.uint8(0))

    def palette(self) -> list[int]:
        """Return the objects' colours as a palette, R G B R G B ..., background black."""
        palette = voc_palette()
        for each in self.objects:
            palette[3 * each.label : 3 * each.label + 3] = bytes.fromhex(each.colour[1:])
        return palette
