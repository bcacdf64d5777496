"""One video being annotated: checks edits, saves them, and says what changed.

Everything that changes the document goes through here, under one lock, and in one order: whole masks to the
disk, then the entry to the log, then the document, then the pages.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.annotator.document import Document
from scripts.annotator.edits import DRAWN_REMAKES, MOST_POINTS, REMAKES, SHAPES, Edit, checked_edit, edit_id
from scripts.annotator.events import Events
from scripts.annotator.jobs import Jobs
from scripts.annotator.masks import MaskStore, covered, merged, painted
from scripts.annotator.pictures import Pictures
from scripts.annotator.remaking import remade
from scripts.annotator.scribbles import counting_scribbles
from scripts.annotator.workspace import Workspace
from util.errors import InputError

Labels = NDArray[np.uint8]  # H x W
Change = dict[str, Any]  # what pages are told


class Session:
    """The state behind all open pages.

    Args:
        workspace: open.
        pictures: of its video.

    Attributes:
        revision: number of the last entry in the log; pages that missed one load the whole state again.
    """

    def __init__(self, workspace: Workspace, pictures: Pictures) -> None:
        self.workspace = workspace
        self.pictures = pictures
        self.events = Events()
        self.jobs = Jobs(self.events)
        entries = workspace.log.entries[1:]  # the first says which video it is
        self.document = Document(entries)
        self.masks = MaskStore(workspace.masks, pictures.size, self.document)
        self.masks.remove_unreachable()
        self.lock = threading.RLock()
        self.revision = workspace.log.next_number - 1
        self._known_ids = {entry["id"] for entry in entries if "id" in entry}

    def state(self) -> dict[str, Any]:
        """Return all that a page needs to begin."""
        height, width = self.pictures.size
        with self.lock:
            return {
                "video": {
                    "name": self.pictures.source.place.name,
                    "frames": len(self.pictures),
                    "width": width,
                    "height": height,
                    "pixel_aspect": float(self.pictures.source.pixel_aspect),
                    "fps": self.pictures.source.fps,
                    "sound": self.pictures.has_sound,
                    "fingerprint": self.pictures.fingerprint,
                    "workspace_id": self.workspace.identity,
                    "thumbnails": self.pictures.thumbnail_frames(),
                },
                "workspace": str(self.workspace.folder),
                "most_points": MOST_POINTS,
                "job": self.jobs.current.as_json() if self.jobs.current is not None else None,
                **self._change(self.document.touched),
            }

    def label_map(self, frame: int, version: int | None = None) -> Labels:
        """Return a frame's labels `H x W` at a version, by default now."""
        with self.lock:
            return self.masks.label_map(frame, version)

    def edit(self, raw: Mapping[str, Any]) -> Change:
        """Save an edit that a page has sent, and apply it; one that is saved already changes nothing.

        Args:
            raw: see `edits.py`; "id", any text, tells it from all others.

        Raises:
            InputError: it cannot be done.
        """
        edit = checked_edit(raw, len(self.pictures))
        with self.lock:
            known = self.known(edit)
            if known is not None:
                return known
            self.check_object(edit)
            running = self.jobs.running
            if edit["kind"] in ("merge", "swap") and running is not None and running.kind == "propagate":
                raise InputError("a propagation is at work: wait for it, or cancel it.")
            if edit["kind"] == "add":
                edit["object"] = self.document.free_label()
            locked = sorted(self.document.locked)
            if locked and edit["kind"] in (*SHAPES, "clear"):
                edit["locked"] = locked
            if edit["kind"] in SHAPES:
                edit = self._with_labels(edit)
            if edit["kind"] in REMAKES:
                return self._remake(edit)
            return self.write(edit)

    def preview(self, raw: Mapping[str, Any], frame: int) -> Labels:
        """Return the labels `H x W` that an edit in `REMAKES` would make of a frame; nothing is saved."""
        edit = checked_edit({**raw, "first": frame, "last": frame}, len(self.pictures))
        with self.lock:
            self.check_object(edit)
            return dict(self._remade(edit)).get(frame, self.label_map(frame))

    def known(self, entry: Mapping[str, Any]) -> Change | None:
        """Return the answer to an entry that is in the log already, sent again by a page that got none."""
        return self._change([]) if entry.get("id", "") in self._known_ids else None

    def check_object(self, edit: Edit) -> None:
        """Make sure that an edit's object is there and not locked; raises InputError."""
        if edit.get("object"):
            for label in {edit["object"], edit.get("other", edit["object"])}:
                found = self.document.object(label)
                if found.locked and edit["kind"] not in ("change", "swap"):
                    raise InputError(f"{found.name} is locked: unlock it first.")

    def _remade(self, edit: Edit) -> Iterator[tuple[int, Labels]]:
        locked = self.document.locked
        labels = [edit["object"]] if edit["object"] else [each.label for each in self.document.objects]
        return remade(edit, self.label_map, [label for label in labels if label not in locked], locked)

    def _remake(self, edit: Edit) -> Change:
        """Save an edit in `REMAKES` with the whole masks that it makes."""
        masks = dict(self._remade(edit))
        if not masks:
            raise InputError("these masks would stay as they are: there is nothing to change.")
        labels = [edit["object"]] if edit["object"] else [each.label for each in self.document.objects]
        drawn = labels if edit["kind"] in DRAWN_REMAKES else []
        frames = {str(frame): {"labels": labels_in(mask), "drawn": drawn} for frame, mask in masks.items()}
        return self.write_masks({**edit, "frames": frames}, masks)

    def write(self, entry: Mapping[str, Any]) -> Change:
        """Append an entry to the log and apply it."""
        with self.lock:
            saved = self.workspace.log.append(entry)
            if "id" in saved:
                self._known_ids.add(saved["id"])
            return self._applied(saved)

    def write_masks(self, entry: Mapping[str, Any], masks: Mapping[int, Labels]) -> Change:
        """Keep whole label maps `H x W`, by frame, and the entry that made them."""
        with self.lock:
            number = self.workspace.log.next_number
            try:
                for frame, labels in masks.items():
                    self.masks.write(number, frame, labels)
                return self.write(entry)
            except OSError:
                self.masks.forget(number)
                raise

    def undo(self, raw: Mapping[str, Any] | None = None) -> Change:
        """Take the last entry back; a propagation that is at work is stopped first."""
        self._stop_if_undone()
        return self._step("undo", raw or {})

    def redo(self, raw: Mapping[str, Any] | None = None) -> Change:
        """Bring back what was undone last."""
        return self._step("redo", raw or {})

    def _step(self, kind: str, raw: Mapping[str, Any]) -> Change:
        entry = {"kind": kind, **edit_id(raw)}
        with self.lock:
            known = self.known(entry)
            if known is not None:
                return known
            if (self.document.undoable if kind == "undo" else self.document.redoable) is None:
                raise InputError(f"there is nothing to {kind}.")
            return self.write(entry)

    def add_result(self, number: int, frame: int, labels: Labels) -> bool:
        """Take one frame's mask from propagation `number`; return False when it no longer counts.

        Reviewed frames stay as they are, and so do objects that are locked, and those that a person drew on
        the frame or took off it.
        """
        with self.lock:
            if not self.document.counts(number):
                return False
            state = self.document.state(frame)
            if state.version > number:
                return True
            before = self.masks.label_map(frame)
            kept = self.document.locked | state.absent | state.drawn
            labels = before if state.reviewed else merged(before, labels, kept)
            self.masks.write(number, frame, labels)
            self.write({"kind": "result", "of": number, "frame": frame, "labels": labels_in(labels)})
            return True

    def _applied(self, entry: dict[str, Any]) -> Change:
        frames = self.document.apply(entry)
        self.revision = entry["n"]
        change = self._change(frames)
        self.events.send(change)
        return change

    def _change(self, frames: Iterable[int]) -> Change:
        document = self.document
        undoable, redoable = document.undoable, document.redoable
        return {
            "revision": self.revision,
            "frames": [self._row(frame) for frame in frames],
            "scribbles": self._scribbles(frames),
            "copies": [frame for frame in frames if document.is_copy(frame)],
            "objects": [asdict(each) for each in document.objects],
            "undo": None if undoable is None else undoable["kind"],
            "redo": None if redoable is None else redoable["kind"],
            "next": {"label": self._free_label(), "colour": document.free_colour()},
        }

    def _scribbles(self, frames: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
        """Return the scribbles that frames have, by frame."""
        names = ("n", "object", "points", "positive")
        found = {frame: counting_scribbles(self.document.history(frame)) for frame in frames}
        return {
            frame: [{name: each[name] for name in names} for each in scribbles]
            for frame, scribbles in found.items()
            if scribbles
        }

    def _free_label(self) -> int | None:
        try:
            return self.document.free_label()
        except InputError:
            return None

    def _row(self, frame: int) -> list[Any]:
        """Return what pages know of a frame.

        Its number, its version, labels present and drawn, whether it is reviewed, and the clicks that it was
        last changed by (see `Document.clicks`).
        """
        state, clicks = self.document.state(frame), self.document.clicks(frame)
        return [frame, state.version, sorted(state.present), sorted(state.drawn), state.reviewed, clicks]

    def _with_labels(self, edit: Edit) -> Edit:
        """Return a shape with the labels that are there after it, for its replay."""
        before = self.masks.label_map(edit["frame"])
        after = painted(before, covered(edit, before.shape), edit)
        return {**edit, "labels": labels_in(after)}

    def _stop_if_undone(self) -> None:
        """Stop a propagation that undo is about to take back."""
        running, last = self.jobs.running, self.document.undoable
        if (
            running is not None
            and running.kind == "propagate"
            and last is not None
            and last["kind"] == "propagate"
        ):
            self.jobs.cancel(wait=True)


def labels_in(labels: Labels) -> list[int]:
    """Return the labels above 0 that a label map has."""
    return (np.flatnonzero(np.bincount(labels.reshape(-1), minlength=256)[1:]) + 1).tolist()
