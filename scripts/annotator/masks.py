"""Label maps of frames at any of their versions, worked out of the entries that made them."""

import os
import shutil
from collections import OrderedDict
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.masks.readers import read_labels
from dataset.masks.writer import write_mask
from scripts.annotator import shapes
from scripts.annotator.document import Document, relabelled
from scripts.annotator.edit_log import Entry
from scripts.annotator.edits import REMAKES, SHAPES
from util.errors import InputError
from util.palette import voc_palette

Labels = NDArray[np.uint8]  # H x W

SCRIBBLES = ("scribble", "unscribble")
WHOLE = (
    "masks",
    "guess",
    "click",
    "propagate",
    *REMAKES,
)  # the other kinds of entries that come with label maps

HELD_BYTES = 1 << 26  # of label maps, in memory
SNAPSHOT_EVERY = 64  # edits of one frame that are drawn again at most after a restart


class MaskStore:
    """Draws label maps, and keeps the whole ones that cannot be drawn again on disk.

    Args:
        folder: for the files.
        size: (H, W) of the video.
        document: says which entries made a frame.
    """

    def __init__(self, folder: Path, size: tuple[int, int], document: Document) -> None:
        self.folder = folder
        self.size = size
        self.document = document
        self._held: OrderedDict[tuple[int, int], Labels] = OrderedDict()  # by frame and version

    def label_map(self, frame: int, version: int | None = None) -> Labels:
        """Return a frame's labels `H x W` at a version, by default as they are now; not to be written to.

        Raises:
            InputError: the frame has no such version.
        """
        return self.after(frame, self.document.history(frame, version))

    def after(self, frame: int, history: Sequence[Entry]) -> Labels:
        """Return a frame's labels `H x W` after the entries of one of its histories; not to be written to."""
        todo: list[Entry] = []
        labels: Labels | None = None
        for entry in reversed(history):
            labels = self._known(frame, entry)
            if labels is not None:
                break
            todo.append(entry)
        if labels is None:
            labels = np.zeros(self.size, np.uint8)
        for entry in reversed(todo):
            labels = drawn(labels, entry)
        if history:
            self._hold(frame, history[-1]["n"], labels)
            if len(todo) >= SNAPSHOT_EVERY:
                with suppress(OSError):  # it only saves time
                    self._write(self._snapshot(frame, history[-1]["n"]), labels)
        return labels

    def unscribbled(self, frame: int, number: int) -> Labels:
        """Return what a frame's labels `H x W` would be without scribble `number` and those beside it.

        What else was drawn since the first of them is drawn again. Where whole masks came since then, the
        labels are those of now.

        Raises:
            InputError: the frame has no such scribble (any more).
        """
        history = self.document.history(frame)
        scribbles = [at for at, each in enumerate(history) if each["kind"] in SCRIBBLES]
        if not any(history[at]["n"] == number for at in scribbles):
            raise InputError("this scribble is not there any more.")
        last = max((at for at, each in enumerate(history) if each["kind"] in WHOLE), default=-1)
        first = next((at for at in scribbles if at > last), None)
        if first is None or history[first]["n"] > number:
            return self.after(frame, history)
        labels = self.after(frame, history[:first])
        for entry in history[first:]:
            labels = drawn(labels, entry)
        return labels

    def write(self, number: int, frame: int, labels: Labels) -> None:
        """Keep a whole label map that entry `number` makes of a frame, before that entry is written."""
        self._held.pop((frame, number), None)
        self._write(self.path(number, frame), labels)

    def forget(self, number: int) -> None:
        """Remove the whole label maps of an entry that could not be written."""
        shutil.rmtree(self.path(number, 0).parent, ignore_errors=True)

    def remove_unreachable(self) -> None:
        """Remove the files of entries that neither undo nor redo leads to, or that the log has lost."""
        reachable = self.document.reachable
        for folder in self.folder.glob("*"):
            if folder.name.isdecimal() and int(folder.name) not in reachable:
                shutil.rmtree(folder)
        for path in self.folder.glob("snapshots/*.png"):
            version = path.stem.rpartition("-")[2]
            if not version.isdecimal() or int(version) not in reachable:
                path.unlink()

    def path(self, number: int, frame: int) -> Path:
        """Return the file of the whole label map that an entry made of a frame."""
        return self.folder / f"{number:06}" / f"{frame:05}.png"

    def _known(self, frame: int, entry: Entry) -> Labels | None:
        """Return the labels after an entry if nothing need be drawn for it."""
        held = self._held.get((frame, entry["n"]))
        if held is not None:
            self._held.move_to_end((frame, entry["n"]))
            return held
        if entry["kind"] == "clear" and not entry.get("locked"):
            return np.zeros(self.size, np.uint8)
        if entry["kind"] in (*SCRIBBLES, *WHOLE):
            return read_labels(self.path(entry["n"], frame))
        snapshot = self._snapshot(frame, entry["n"])
        return read_labels(snapshot) if snapshot.is_file() else None

    def _snapshot(self, frame: int, version: int) -> Path:
        return self.folder / "snapshots" / f"{frame:05}-{version:06}.png"

    def _write(self, path: Path, labels: Labels) -> None:
        write_mask(path, labels, voc_palette())
        with path.open("rb") as file:
            os.fsync(file.fileno())  # the log must not name what a power failure can take

    def _hold(self, frame: int, version: int, labels: Labels) -> None:
        labels.flags.writeable = False
        self._held[frame, version] = labels
        while len(self._held) > 1 and sum(each.nbytes for each in self._held.values()) > HELD_BYTES:
            self._held.popitem(last=False)


def drawn(labels: Labels, entry: Entry) -> Labels:
    """Return a label map `H x W` after an entry that draws, or the same one when it changes no pixel."""
    match entry["kind"]:
        case "clear":
            return np.where(np.isin(labels, entry.get("locked", [])), labels, np.uint8(0))
        case "erase" | "remove":
            return np.where(labels == entry["object"], np.uint8(0), labels)
        case "merge" | "swap":
            return np.array([relabelled(entry, label) for label in range(256)], np.uint8)[labels]
        case kind if kind in SHAPES:
            return painted(labels, covered(entry, labels.shape), entry)
    return labels


def covered(entry: Entry, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the pixels `H x W` that a stroke, polygon or box covers."""
    height, width = size
    if entry["kind"] == "stroke":
        return shapes.stroke((height, width), entry["points"], entry["radius"])
    if entry["kind"] == "polygon":
        return shapes.polygon((height, width), entry["points"])
    return shapes.box((height, width), entry["points"])


def painted(labels: Labels, inside: NDArray[np.bool_], entry: Entry) -> Labels:
    """Give the pixels inside a shape to an object, or take them from it; locked objects keep theirs."""
    if entry["erase"]:
        inside = inside & (labels == entry["object"] if entry["object"] else labels > 0)
    if entry.get("locked"):
        inside = inside & ~np.isin(labels, entry["locked"])
    return np.where(inside, np.uint8(0 if entry["erase"] else entry["object"]), labels)


def merged(old: Labels, new: Labels, kept: Collection[int]) -> Labels:
    """Return a new label map in which some labels keep exactly the pixels that they had in the old one.

    Args:
        old: `H x W`.
        new: `H x W`.
        kept: labels of objects that do not change.
    """
    if not kept:
        return new
    labels = list(kept)
    return np.where(np.isin(old, labels), old, np.where(np.isin(new, labels), np.uint8(0), new))


def replaced(old: Labels, new: Labels, labels: Collection[int], locked: Collection[int]) -> Labels:
    """Return a label map in which some objects look as in a new one, and all others as in the old one.

    Args:
        old: `H x W`.
        new: `H x W`.
        labels: the objects that the new one is about.
        locked: labels of objects that nothing changes.
    """
    without = np.where(np.isin(old, list(labels)), np.uint8(0), old)
    return merged(old, np.where(new > 0, new, without), locked)
