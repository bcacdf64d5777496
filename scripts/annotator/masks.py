"""Label maps of frames at any version, computed from the entries that made them."""

import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.masks.readers import read_labels
from dataset.masks.writer import write_mask
from scripts.annotator import shapes
from scripts.annotator.document import Document, relabelled
from scripts.annotator.edit_log import Entry
from scripts.annotator.edits import DRAWN_REMAKES, REMAKES, SHAPES
from util.errors import InputError
from util.palette import voc_palette

Labels = NDArray[np.uint8]  # H x W

SCRIBBLES = ("scribble", "unscribble")
WHOLE = ("masks", "guess", "click", "propagate", *REMAKES)  # the other kinds of entries with label maps
HELD_BYTES = 1 << 26  # of label maps, in memory
STAGED = "staged-"  # name prefix of label-map folders not yet in the log


class MaskStore:
    """Draws label maps, and keeps those that are not drawn from shapes on disk, in a folder."""

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
            labels = draw_entry(labels, entry)
        if history:
            self._hold(frame, history[-1]["n"], labels)
        return labels

    def unscribbled(self, frame: int, number: int) -> Labels:
        """Return a frame's labels `H x W` without what scribble `number` and those beside it have changed.

        Shapes drawn since the first scribble are drawn again. If whole masks replaced the scribbles since,
        the labels are the present ones.

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
            labels = draw_entry(labels, entry)
        return labels

    def write(self, number: int, frame: int, labels: Labels) -> None:
        """Keep the label map `H x W` of an entry; call this before the entry is written."""
        self._held.pop((frame, number), None)
        self.write_file(self.path(number, frame), labels)

    def forget(self, number: int) -> None:
        """Remove the label maps of an entry that could not be written."""
        shutil.rmtree(self.path(number, 0).parent, ignore_errors=True)

    def remove_unreachable(self) -> None:
        """Remove the files of entries that undo and redo cannot reach, or that the log has lost."""
        reachable = self.document.reachable
        for folder in self.folder.glob("*"):
            number = int(folder.name) if folder.name.isdecimal() else None
            if folder.name.startswith(STAGED) or (number is not None and number not in reachable):
                shutil.rmtree(folder)

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """Yield a folder for the label maps of an edit that has no number yet; removed unless kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=STAGED, dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, folder: Path, number: int) -> None:
        """Take a folder of `staged` over as the label maps of entry `number`."""
        for path in folder.iterdir():
            self._held.pop((int(path.stem), number), None)
        folder.rename(self.folder / f"{number:06}")

    def path(self, number: int, frame: int) -> Path:
        """Return the file of the label map that an entry made of a frame."""
        return self.folder / f"{number:06}" / f"{frame:05}.png"

    def _known(self, frame: int, entry: Entry) -> Labels | None:
        """Return the labels after an entry if they are held or on disk."""
        held = self._held.get((frame, entry["n"]))
        if held is not None:
            self._held.move_to_end((frame, entry["n"]))
            return held
        if entry["kind"] == "clear" and not entry.get("locked"):
            return np.zeros(self.size, np.uint8)
        return read_labels(self.path(entry["n"], frame)) if entry["kind"] in (*SCRIBBLES, *WHOLE) else None

    def write_file(self, path: Path, labels: Labels) -> None:
        """Write labels `H x W` to a file and wait until they are on the disk."""
        write_mask(path, labels, voc_palette())
        with path.open("rb") as file:
            os.fsync(file.fileno())  # the log must not name what a power failure can take

    def _hold(self, frame: int, version: int, labels: Labels) -> None:
        labels.flags.writeable = False
        self._held[frame, version] = labels
        while len(self._held) > 1 and sum(each.nbytes for each in self._held.values()) > HELD_BYTES:
            self._held.popitem(last=False)


def counting_scribbles(history: Iterable[Entry]) -> list[Entry]:
    """Return the scribbles of a frame that are in effect.

    Clearing the frame ends them all; removing, copying or moving an object's mask ends those of the object.
    """
    counting: list[Entry] = []
    for entry in history:
        if entry["kind"] == "clear":
            counting = []
        elif entry["kind"] in ("erase", "remove", *DRAWN_REMAKES):
            counting = [each for each in counting if entry["object"] not in (0, each["object"])]
        elif entry["kind"] in ("merge", "swap"):
            counting = [{**each, "object": relabelled(entry, each["object"])} for each in counting]
        elif entry["kind"] == "unscribble":
            counting = [each for each in counting if each["n"] != entry["of"]]
        elif entry["kind"] == "scribble":
            counting.append(entry)
    return counting


def draw_entry(labels: Labels, entry: Entry) -> Labels:
    """Return a label map `H x W` after an entry; the same one when the entry changes no pixel."""
    match entry["kind"]:
        case "clear":
            return np.where(np.isin(labels, entry.get("locked", [])), labels, np.uint8(0))
        case "erase":
            return np.where(labels == entry["object"], np.uint8(0), labels)
        case "remove" | "merge" | "swap":
            return np.array([relabelled(entry, label) for label in range(256)], np.uint8)[labels]
        case kind if kind in SHAPES:
            return _painted(labels, entry)
    return labels


def _painted(labels: Labels, entry: Entry) -> Labels:
    """Draw a stroke, polygon or box into a label map `H x W`, or erase it; locked objects do not change."""
    height, width = labels.shape
    more = {"radius": entry["radius"]} if entry["kind"] == "stroke" else {}
    inside = getattr(shapes, entry["kind"])((height, width), entry["points"], **more)
    if entry["erase"]:
        inside &= labels == entry["object"] if entry["object"] else labels > 0
    inside &= ~np.isin(labels, entry.get("locked", []))
    return np.where(inside, np.uint8(0 if entry["erase"] else entry["object"]), labels)


def merged(old: Labels, new: Labels, kept: Collection[int]) -> Labels:
    """Return the new label map `H x W` with the old pixels of the objects whose labels are kept."""
    labels = list(kept)
    return np.where(np.isin(old, labels), old, np.where(np.isin(new, labels), np.uint8(0), new))


def replaced(old: Labels, new: Labels, labels: Collection[int], locked: Collection[int]) -> Labels:
    """Return the old label map `H x W` with new masks of some labels; locked objects do not change."""
    without = np.where(np.isin(old, list(labels)), np.uint8(0), old)
    return merged(old, np.where(new > 0, new, without), locked)
