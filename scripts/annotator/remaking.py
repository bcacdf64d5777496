"""Edits of whole masks, on a frame or a range: copies, moves, and changes of edges."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scripts.annotator.edits import DRAWN_REMAKES, Edit, checked_edit
from scripts.annotator.jobs import Job
from scripts.annotator.masks import Labels, replaced
from scripts.annotator.session import Change, Session, labels_in
from util.errors import InputError

Mask = NDArray[np.bool_]  # H x W


class Remaking:
    """Computes and saves such edits of a session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def edit(self, edit: Edit) -> Change:
        """Save a checked edit whose kind is in `edits.REMAKES`, and the masks that it makes.

        An edit of several frames runs as a job, with progress and cancel; this waits for its end.

        Raises:
            InputError: the edit is not possible, changes nothing, or was cancelled.
        """
        saves = self._save if edit["first"] == edit["last"] else self._save_in_job
        return self.session.known(edit) or saves(edit)

    def preview(self, raw: Mapping[str, Any]) -> Labels:
        """Return the labels `H x W` that an edit would make of its first frame; saves nothing."""
        session = self.session
        edit = checked_edit(raw, len(session.pictures))
        with session.lock:
            old, given = session.label_map(edit["first"]), self._given(edit)
        return remake(edit, old, *given)

    def _given(self, edit: Edit) -> tuple[Labels | None, list[int], frozenset[int]]:
        """Return the label map that an edit copies from, the labels that it changes, and the locked ones."""
        session, document = self.session, self.session.document
        session.check_object(edit)
        source = session.label_map(edit["source"]) if edit["kind"] == "copy" else None
        labels = [edit["object"]] if edit["object"] else [each.label for each in document.objects]
        return source, [label for label in labels if label not in document.locked], document.locked

    def _save_in_job(self, edit: Edit) -> Change:
        changes: list[Change] = []

        def work(job: Job) -> str:
            changes.append(self._save(edit, job.show))
            return "The masks are changed."

        job = self.session.jobs.start("correct", work)
        job.ended.wait()
        if not changes:
            raise InputError(job.text)
        return changes[0]

    def _save(self, edit: Edit, show: Callable[[float, float, str], None] = lambda *_: None) -> Change:
        """Save an edit and its masks, which are computed one by one while the lock is free.

        An exception of `show`, which is called before each frame, ends the edit; nothing is changed.
        """
        session, frames = self.session, range(edit["first"], edit["last"] + 1)
        changed, before = {}, {}
        with session.lock:
            source, labels, locked = self._given(edit)
            objects = session.document.objects
        drawn = labels if edit["kind"] in DRAWN_REMAKES else []
        with session.masks.staged() as staged:
            for done, frame in enumerate(frames):
                show(done, len(frames), f"frame {frame}")
                with session.lock:
                    before[frame], old = session.document.state(frame).version, session.label_map(frame)
                new = remake(edit, old, source, labels, locked)
                if not np.array_equal(old, new):
                    changed[str(frame)] = {"labels": labels_in(new), "drawn": drawn}
                    session.masks.write_file(staged / f"{frame:05}.png", new)
            if not changed:
                raise InputError("these masks would stay as they are: there is nothing to change.")
            with session.lock:
                now = {frame: session.document.state(frame).version for frame in frames}
                if now != before or session.document.objects != objects:
                    raise InputError("these frames or objects have changed meanwhile: apply the edit again.")
                return session.write_staged({**edit, "frames": changed}, staged)


def remake(
    edit: Mapping[str, Any],
    old: Labels,
    source: Labels | None,
    labels: Sequence[int],
    locked: Collection[int],
) -> Labels:
    """Return a frame's labels `H x W` after an edit.

    Args:
        edit: checked edit whose kind is in `edits.REMAKES`.
        old: the labels before, `H x W`.
        source: the labels that a copy takes its mask from, `H x W`.
        labels: the edited objects.
        locked: labels of objects that must not change.
    """
    if edit["kind"] == "refine":
        return refine(old, labels, REFINEMENTS[edit["how"]], edit["amount"])
    if source is not None:
        new = np.where(np.isin(source, labels), source, np.uint8(0))
    else:
        new = np.zeros_like(old)
        left, top, width, height = cv2.boundingRect(np.isin(old, labels).astype(np.uint8))
        middle = left + width / 2, top + height / 2
        for label in labels:
            new[move_mask(old == label, middle, edit["dx"], edit["dy"], edit["scale"])] = label
    return replaced(old, new, labels, locked)


def move_mask(mask: Mask, middle: tuple[float, float], dx: float, dy: float, scale: float) -> Mask:
    """Return a mask that is scaled about a position, then shifted.

    Args:
        mask: mask `H x W`.
        middle: centre of scaling (x, y); see `shapes.py`.
        dx: pixels to the right.
        dy: pixels down.
        scale: scale factor.
    """
    shift = (np.array(middle) - 0.5) * (1 - scale) + (dx, dy)  # OpenCV's pixel centres are whole numbers
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    soft = cv2.warpAffine(mask.astype(np.float32), matrix, mask.shape[::-1], flags=cv2.INTER_LINEAR)
    return np.asarray(soft) > 0.5


def refine(labels: Labels, objects: Sequence[int], how: Callable[[Mask, int], Mask], amount: int) -> Labels:
    """Change the outlines of objects `H x W`; an object grows over background only."""
    new = labels.copy()
    for label in objects:
        before = new == label
        if before.any():
            after = how(before, amount)
            new[before & ~after] = 0
            new[after & (new == 0)] = label
    return new


def grown(mask: Mask, radius: int) -> Mask:
    """Return the pixels at most `radius` away from a mask `H x W`."""
    return _away(~mask) <= radius


def shrunk(mask: Mask, radius: int) -> Mask:
    """Return the pixels of a mask `H x W` that are more than `radius` away from its outside."""
    return _away(mask) > radius


def smoothed(mask: Mask, radius: int) -> Mask:
    """Blur a mask `H x W` by a Gaussian of a standard deviation, and threshold it at 0.5."""
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), radius, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred) > 0.5


def without_holes(mask: Mask, pixels: int) -> Mask:
    """Fill holes of at most `pixels` in a mask `H x W`; what touches the picture's border is no hole."""
    outside = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= pixels
    small[[0, parts[0, 0]]] = False  # the mask itself, and what surrounds it
    return mask | small[parts[1:-1, 1:-1]] if count > 1 else mask


def without_specks(mask: Mask, pixels: int) -> Mask:
    """Remove connected parts of at most `pixels` from a non-empty mask `H x W`; the largest stays."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.concatenate([[False], areas > pixels])
    kept[1 + int(areas.argmax())] = True
    return kept[parts]


def _away(mask: Mask) -> NDArray[np.float32]:
    """Return the distance of each pixel of a mask `H x W` from the nearest pixel outside."""
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


REFINEMENTS: dict[str, Callable[[Mask, int], Mask]] = {
    "grow": grown,
    "shrink": shrunk,
    "smooth": smoothed,
    "holes": without_holes,
    "specks": without_specks,
}
