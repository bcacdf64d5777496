"""A snapshot of what has been annotated, while the page goes on editing."""

from collections.abc import Callable, Iterator
from copy import copy

import numpy as np
from numpy.typing import NDArray

from dataset.video_files.frame_source import FrameSource, Selection
from scripts.annotator.choice import Choice
from scripts.annotator.document import Object
from scripts.annotator.session import Session
from util.palette import voc_palette

Show = Callable[[float, float, str], None]  # done, total, what
Labels = NDArray[np.uint8]  # H x W


class Moment:
    """Objects and masks as they are when it is made, whatever is drawn or undone later.

    Args:
        session: of the video.
        choice: which frames and objects; the others are left out.

    Attributes:
        objects: in the order in which they were added.
        frames: their numbers.
        pictures: of the video.
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
        """The frames, from the first that is chosen on."""
        return Selection(self.pictures.source, self.frames)

    def only(self, label: int) -> "Moment":
        """Return the same with one object alone."""
        other = copy(self)
        other.objects = tuple(each for each in self.objects if each.label == label)
        return other

    def label_map(self, frame: int) -> Labels:
        """Return a frame's labels `H x W`; not to be written to."""
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
