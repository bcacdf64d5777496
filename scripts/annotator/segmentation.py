"""Masks made of scribbles or of a box around the object."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.interactive.grab_cut import mask_in_box
from scripts.annotator.edits import Edit
from scripts.annotator.masks import Labels, merged
from scripts.annotator.scribbles import counting_scribbles
from scripts.annotator.session import Change, Session, labels_in
from scripts.annotator.settings import WorkerSettings
from scripts.annotator.worker import Worker
from util.errors import InputError

S2M_FILE = "s2m.pth"


class Segmentation:
    """Turns scribbles and boxes into edits.

    Args:
        settings: of the computing process.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self.weights = settings.models / S2M_FILE
        self.worker = Worker(settings)

    def method(self) -> str:
        """Return what scribbles are segmented by, for pages."""
        return "by the scribble-to-mask network" if self.weights.is_file() else "by GrabCut"

    def edit(self, session: Session, edit: Edit) -> Change:
        """Compute the mask that an edit asks for, and save both.

        Raises:
            InputError: it cannot be computed, or the object is locked.
        """
        frame, label = edit["frame"], edit["object"]
        with session.lock:
            known = session.known(edit)
            if known is not None:
                return known
            session.check_object(edit)
            history = session.document.history(frame)
            strokes = strokes_of(counting_scribbles([*history, edit]))
            removes = edit["kind"] == "unscribble"
            old = session.masks.unscribbled(frame, edit["of"]) if removes else session.label_map(frame)
        if edit["kind"] == "guess":
            mask = guessed(session.pictures.read(frame), edit["points"])
        elif removes and label not in (of for _, of in strokes):
            mask = old == label
        else:
            mask = self._ask(frame, strokes, old, label)
        with session.lock:
            known = session.known(edit)  # another page may have sent it, too, or locked or removed the object
            if known is not None:
                return known
            session.check_object(edit)
            now = session.label_map(frame)
            kept = session.document.locked - {label}
            adds = edit["kind"] == "guess" and not edit.get("replace", False)
            rest = now if adds else np.where(now == label, np.uint8(0), now)
            new = np.where(mask, np.uint8(label), rest)
            labels = merged(now, new, kept)
            return session.write_masks({**edit, "labels": labels_in(labels)}, {frame: labels})

    def close(self) -> None:
        """End the computing process."""
        self.worker.close()

    def _ask(self, frame: int, strokes: Sequence[Any], old: Labels, label: int) -> NDArray[np.bool_]:
        request = {"kind": "segment", "frame": frame, "strokes": strokes, "old": old, "label": label}
        weights = self.weights if self.weights.is_file() else None
        ((_, mask),) = self.worker.ask({**request, "weights": weights})
        return mask


def strokes_of(scribbles: Iterable[Edit]) -> list[tuple[list[list[float]], int]]:
    """Return scribbles as pairs of points (x, y) and label, 0 for background."""
    return [(each["points"], each["object"] if each["positive"] else 0) for each in scribbles]


def guessed(picture: NDArray[np.uint8], points: Sequence[Sequence[float]]) -> NDArray[np.bool_]:
    """Guess which pixels of a box are the object.

    Args:
        picture: RGB `H x W x 3`.
        points: two opposite corners (x, y).

    Returns:
        `H x W`.

    Raises:
        InputError: the box holds no pixel of the picture, or nothing that stands out.
    """
    (x0, y0), (x1, y1) = points
    left, right, top, bottom = round(min(x0, x1)), round(max(x0, x1)), round(min(y0, y1)), round(max(y0, y1))
    mask = mask_in_box(picture, (left, top, right, bottom))
    if not mask.any():
        raise InputError("nothing stands out in the box: draw it around the whole object.")
    return mask
