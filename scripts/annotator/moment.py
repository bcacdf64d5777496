"""What had been annotated at one moment, while the page goes on editing."""

import numpy as np
from numpy.typing import NDArray

from scripts.annotator.session import Session


class Moment:
    """Objects and masks as they are when it is made, whatever is drawn or undone later.

    Args:
        session: of the video.

    Attributes:
        objects: in the order in which they were added.
        pictures: of the video.
    """

    def __init__(self, session: Session) -> None:
        self.pictures = session.pictures
        self._session = session
        with session.lock:
            document = session.document
            self.objects = document.objects
            self._present = {frame: document.state(frame).present for frame in document.touched}
            self._histories = {frame: document.history(frame) for frame in document.touched}

    def label_map(self, frame: int) -> NDArray[np.uint8]:
        """Return a frame's labels `H x W`; not to be written to."""
        with self._session.lock:
            return self._session.masks.after(frame, self._histories.get(frame, []))

    def present(self, frame: int) -> frozenset[int]:
        """Return the labels that have pixels in a frame."""
        return self._present.get(frame, frozenset())
