"""The annotation of one video: checks edits, saves them, and tells the pages.

All changes of the document go through here, under one lock and in one order: whole masks to the disk, the
entry to the log, the document, the pages.
"""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scripts.annotator.document import Document
from scripts.annotator.edits import LARGEST_LABEL, SHAPES, Edit, checked_edit
from scripts.annotator.jobs import Events, Jobs
from scripts.annotator.masks import Labels, MaskStore, counting_scribbles, draw_entry, merged
from scripts.annotator.pictures import Pictures
from scripts.annotator.workspace import Workspace
from util.errors import InputError

Change = dict[str, Any]  # what pages are told


class Session:
    """The state that all open pages show.

    `revision` is the number of the last entry in the log; a page that missed an entry loads the whole state.
    """

    def __init__(self, workspace: Workspace, pictures: Pictures) -> None:
        self.workspace = workspace
        self.pictures = pictures
        self.events = Events()
        self.jobs = Jobs(self.events)
        entries = workspace.log.entries[1:]  # the first says which video it is
        self.document = Document(entries)
        self.masks = MaskStore(workspace.folder / "masks", pictures.size, self.document)
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
        last = self.document.undoable
        if edit["kind"] == "undo" and last and last["kind"] == self.jobs.kind_running == "propagate":
            self.jobs.cancel(wait=True)
        with self.lock:
            return self.known(edit) or self.write(self._completed(edit))

    def _completed(self, edit: Edit) -> Edit:
        """Return an edit with what its replay needs to know; raise InputError when it is not possible now."""
        kind, document = edit["kind"], self.document
        self.check_object(edit)
        if kind in ("undo", "redo") and getattr(document, f"{kind}able") is None:
            raise InputError(f"there is nothing to {kind}.")
        if kind in ("merge", "swap") and self.jobs.kind_running == "propagate":
            raise InputError("a propagation is running: wait for it, or cancel it.")
        if kind == "add":
            label = next(iter(document.free_labels()), None)
            if label is None:
                raise InputError(f"there are {LARGEST_LABEL} objects already, the most that a mask can hold.")
            edit["object"] = label
        if document.locked and kind in (*SHAPES, "clear"):
            edit["locked"] = sorted(document.locked)
        if kind in SHAPES:
            edit["labels"] = labels_in(draw_entry(self.masks.label_map(edit["frame"]), edit))
        return edit

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
            frames = self.document.apply(saved)
            self.revision = saved["n"]
            change = self._change(frames)
            self.events.send(change)
            return change

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

    def _change(self, frames: Iterable[int]) -> Change:
        document = self.document
        undoable, redoable = document.undoable, document.redoable
        return {
            "revision": self.revision,
            "frames": [self._row(frame) for frame in frames],
            "objects": [each._asdict() for each in document.objects],
            "undo": None if undoable is None else undoable["kind"],
            "redo": None if redoable is None else redoable["kind"],
            "next": document.new_object(next(iter(document.free_labels()), None)),
        }

    def _row(self, frame: int) -> list[Any]:
        """Return what pages know of a frame.

        Number, version, labels present, labels drawn, whether it is reviewed, the clicks that changed it
        last, whether it was copied last, and the scribbles in effect.
        """
        state, last = self.document.state(frame), self.document.last_entry(frame) or {"kind": ""}
        clicks = {name: last[name] for name in ("object", "clicks")} if last["kind"] == "click" else None
        scribbles = [
            {name: each[name] for name in ("n", "object", "points", "positive")}
            for each in counting_scribbles(self.document.history(frame))
        ]
        labels = sorted(state.present), sorted(state.drawn)
        return [frame, state.version, *labels, state.reviewed, clicks, last["kind"] == "copy", scribbles]


def labels_in(labels: Labels) -> list[int]:
    """Return the labels above 0 in a label map."""
    return (np.flatnonzero(np.bincount(labels.reshape(-1), minlength=256)[1:]) + 1).tolist()
