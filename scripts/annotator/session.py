"""The annotation of one video: checks edits, saves them, and tells the pages.

All changes of the document go through here, under one lock and in one order: whole masks to the disk, the
entry to the log, the document, the pages.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.annotator.document import Document
from scripts.annotator.edits import MOST_POINTS, SHAPES, Edit, checked_edit, edit_id
from scripts.annotator.events import Events
from scripts.annotator.jobs import Jobs
from scripts.annotator.masks import MaskStore, counting_scribbles, covered, merged, painted
from scripts.annotator.pictures import Pictures
from scripts.annotator.workspace import Workspace
from util.errors import InputError

Labels = NDArray[np.uint8]  # H x W
Change = dict[str, Any]  # what pages are told


class Session:
    """The state that all open pages show.

    Args:
        workspace: the open workspace of the video.
        pictures: the video's frames.

    Attributes:
        revision: number of the last entry in the log; a page that missed an entry loads the whole state.
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
        """Return what a page loads at its start."""
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
        """Save an edit of a page and apply it; an edit that is saved already changes nothing.

        Args:
            raw: the edit, see `edits.py`; its "id" is any text that no other edit has.

        Raises:
            InputError: the edit is not possible.
        """
        edit = checked_edit(raw, len(self.pictures))
        kind = edit["kind"]
        with self.lock:
            known = self.known(edit)
            if known is not None:
                return known
            self.check_object(edit)
            if kind in ("merge", "swap") and self.jobs.kind_running == "propagate":
                raise InputError("a propagation is running: wait for it, or cancel it.")
            if kind == "add":
                edit["object"] = self.new_label()
            locked = sorted(self.document.locked)
            if locked and kind in (*SHAPES, "clear"):
                edit["locked"] = locked
            if kind in SHAPES:
                edit = self._with_labels(edit)
            return self.write(edit)

    def new_label(self) -> int:
        """Return the label of the next object; raises InputError when all 255 labels are taken."""
        for label in self.document.free_labels():
            return label
        raise InputError("there are 255 objects already, the most that a mask can hold.")

    def known(self, entry: Mapping[str, Any]) -> Change | None:
        """Return the answer to an entry that the log has already; None for a new one."""
        return self._change([]) if entry.get("id", "") in self._known_ids else None

    def check_object(self, edit: Edit) -> None:
        """Raise InputError when an object of an edit does not exist, or is locked."""
        if edit.get("object"):
            for label in {edit["object"], edit.get("other", edit["object"])}:
                found = self.document.object(label)
                if found.locked and edit["kind"] not in ("change", "swap"):
                    raise InputError(f"{found.name} is locked: unlock it first.")

    def write(self, entry: Mapping[str, Any]) -> Change:
        """Append an entry to the log and apply it."""
        with self.lock:
            saved = self.workspace.log.append(entry)
            if "id" in saved:
                self._known_ids.add(saved["id"])
            return self._applied(saved)

    def write_masks(self, entry: Mapping[str, Any], masks: Mapping[int, Labels]) -> Change:
        """Save an entry and the label maps `H x W` that it makes, by frame."""
        with self.lock, self.masks.staged() as folder:
            for frame, labels in masks.items():
                self.masks.write_file(folder / f"{frame:05}.png", labels)
            return self.write_staged(entry, folder)

    def write_staged(self, entry: Mapping[str, Any], folder: Path) -> Change:
        """Save an entry and the label maps in a folder of `MaskStore.staged`."""
        with self.lock:
            number = self.workspace.log.next_number
            self.masks.keep(folder, number)
            try:
                return self.write(entry)
            except OSError:
                self.masks.forget(number)
                raise

    def undo(self, raw: Mapping[str, Any] | None = None) -> Change:
        """Undo the last entry; if it is a running propagation, stop that first."""
        self._stop_if_undone()
        return self._step("undo", raw or {})

    def redo(self, raw: Mapping[str, Any] | None = None) -> Change:
        """Restore the entry that was undone last."""
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
        """Save one frame's mask of propagation `number`; return False when that was undone.

        Reviewed frames do not change, nor do objects that are locked, or that the user drew or removed on
        the frame.
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
            "copies": [frame for frame in frames if (document.last_entry(frame) or {}).get("kind") == "copy"],
            "objects": [asdict(each) for each in document.objects],
            "undo": None if undoable is None else undoable["kind"],
            "redo": None if redoable is None else redoable["kind"],
            "next": {"label": next(iter(document.free_labels()), None), "colour": document.free_colour()},
        }

    def _scribbles(self, frames: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
        """Return the scribbles in effect, by frame."""
        names = ("n", "object", "points", "positive")
        found = {frame: counting_scribbles(self.document.history(frame)) for frame in frames}
        return {
            frame: [{name: each[name] for name in names} for each in scribbles]
            for frame, scribbles in found.items()
            if scribbles
        }

    def _row(self, frame: int) -> list[Any]:
        """Return what pages know of a frame.

        Number, version, labels present, labels drawn, whether it is reviewed, and the clicks that changed it
        last.
        """
        state, last = self.document.state(frame), self.document.last_entry(frame)
        is_click = last is not None and last["kind"] == "click"
        clicks = {name: last[name] for name in ("object", "clicks")} if last and is_click else None
        return [frame, state.version, sorted(state.present), sorted(state.drawn), state.reviewed, clicks]

    def _with_labels(self, edit: Edit) -> Edit:
        """Return a shape with the labels that the frame has after it, for its replay."""
        before = self.masks.label_map(edit["frame"])
        after = painted(before, covered(edit, before.shape), edit)
        return {**edit, "labels": labels_in(after)}

    def _stop_if_undone(self) -> None:
        """Stop a propagation that undo is about to revert."""
        last = self.document.undoable
        if last is not None and last["kind"] == self.jobs.kind_running == "propagate":
            self.jobs.cancel(wait=True)


def labels_in(labels: Labels) -> list[int]:
    """Return the labels above 0 in a label map."""
    return (np.flatnonzero(np.bincount(labels.reshape(-1), minlength=256)[1:]) + 1).tolist()
