"""The document: the state after replaying the edit log, with objects and the versions of each frame.

A version is the number of the last entry that changed a frame. Entries after an undo get new numbers, so a
version names one content of a frame, and pictures of it can be cached for ever.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from scripts.annotator.edit_log import Entry
from scripts.annotator.edits import CHANGES, FROM_HINTS, LARGEST_LABEL, SHAPES
from util.errors import InputError

# Eight colours that the colour-blind can tell apart (Okabe and Ito, "Color Universal Design", 2008); then
# others, each the furthest in CIELAB from all before it
COLOURS = (
    *("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#e8e8e8"),
    *("#4b00ff", "#00ff00", "#ff1ee1", "#ff005a", "#695a1e", "#0069ff", "#4ba500", "#00ff96"),
    *("#00ffff", "#962d2d", "#ffa587", "#872da5", "#c3f0a5", "#2d5a5a", "#d20f87", "#b496ff"),
)
HAND = (*SHAPES, *FROM_HINTS)  # draw on one frame


class Object(NamedTuple):
    """One object of the video."""

    label: int  # label in masks, 1 to 255
    name: str
    colour: str  # "#rrggbb"
    hidden: bool = False
    locked: bool = False  # whether the masks are locked
    category: str = ""  # exported class (default: the name)


class FrameState(NamedTuple):
    """A frame after one of the entries that changed it."""

    version: int = 0  # number of that entry
    present: frozenset[int] = frozenset()  # labels that have pixels
    drawn: frozenset[int] = (
        frozenset()
    )  # labels that the user drew, erased or confirmed; sources of propagation
    reviewed: bool = False  # propagations do not change the frame
    absent: frozenset[int] = frozenset()  # labels that the user removed; no propagation adds them again


UNTOUCHED = FrameState()


@dataclass
class _Done:
    """An entry in effect, and what undo needs."""

    entry: Entry
    objects: tuple[Object, ...]  # before the entry
    frames: dict[int, FrameState] = field(default_factory=dict)  # after the entry


class Document:
    """Applies entries of the log in order.

    Attributes:
        objects: in the order in which they were added.

    Raises:
        InputError: an entry cannot be applied.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.objects: tuple[Object, ...] = ()
        self._frames: dict[int, list[FrameState]] = {}  # versions, the last one counts
        self._done: list[_Done] = []
        self._undone: list[_Done] = []
        self._by_number: dict[int, _Done] = {}
        self._largest_label = 0
        number = 0
        try:
            for entry in entries:
                number = entry["n"]
                self.apply(entry)
        except (LookupError, TypeError, ValueError) as error:
            raise InputError(
                f"edit {number} of the log builds on one that is missing, or is damaged: remove its line "
                "and all later lines to continue from there."
            ) from error

    def apply(self, entry: Entry) -> list[int]:
        """Apply the next entry of the log; return the frames that changed."""
        match entry["kind"]:
            case "undo":
                return self._undo()
            case "redo":
                return self._redo()
            case "result":
                return self._add_result(entry)
        done = _Done(entry, self.objects)
        self.objects = self._objects_after(entry)
        done.frames = {
            frame: state._replace(version=entry["n"]) for frame, state in self._states_after(entry)
        }
        self._undone.clear()
        self._done.append(done)
        self._by_number[entry["n"]] = done
        self._push(done)
        return list(done.frames)

    @property
    def undoable(self) -> Entry | None:
        """The entry that undo reverts."""
        return self._done[-1].entry if self._done else None

    @property
    def redoable(self) -> Entry | None:
        """The entry that redo restores."""
        return self._undone[-1].entry if self._undone else None

    @property
    def reachable(self) -> set[int]:
        """Numbers of the entries in effect, and of those that redo can restore."""
        return {done.entry["n"] for done in (*self._done, *self._undone)}

    @property
    def touched(self) -> list[int]:
        """Frames that any entry in effect has changed, in order."""
        return sorted(self._frames)

    @property
    def given(self) -> list[int]:
        """Frames that a person has drawn on, in order."""
        return [frame for frame in self.touched if self.state(frame).drawn]

    def state(self, frame: int) -> FrameState:
        """Return a frame as it is now."""
        return self._frames[frame][-1] if frame in self._frames else UNTOUCHED

    def history(self, frame: int, version: int | None = None) -> list[Entry]:
        """Return the entries that changed a frame, up to a version; raise InputError if that is not there."""
        numbers = [state.version for state in self._frames.get(frame, [])]
        if version is not None and version != 0 and version not in numbers:
            raise InputError(f"frame {frame} has no version {version} now.")
        return [self._by_number[n].entry for n in numbers if version is None or n <= version]

    def last_entry(self, frame: int) -> Entry | None:
        """Return the last entry that changed a frame."""
        done = self._by_number.get(self.state(frame).version)
        return None if done is None else done.entry

    def before_clicks(self, frame: int, label: int) -> list[Entry]:
        """Return a frame's entries without the final run of clicks on an object."""
        entries = self.history(frame)
        while entries and entries[-1]["kind"] == "click" and entries[-1]["object"] == label:
            entries.pop()
        return entries

    def counts(self, number: int) -> bool:
        """Tell whether an entry is in effect: it was not undone."""
        return any(done.entry["n"] == number for done in reversed(self._done))

    def object(self, label: int) -> Object:
        """Return an object; raises InputError when there is none of this label."""
        for each in self.objects:
            if each.label == label:
                return each
        raise InputError(f"there is no object {label} (any more).")

    @property
    def locked(self) -> frozenset[int]:
        """Labels of the locked objects."""
        return frozenset(each.label for each in self.objects if each.locked)

    def free_labels(self) -> list[int]:
        """Return the labels that new objects can have, labels that were never used first."""
        taken = {each.label for each in self.objects}
        unused = range(self._largest_label + 1, LARGEST_LABEL + 1)
        return [label for label in (*unused, *range(1, LARGEST_LABEL + 1)) if label not in taken]

    def new_object(self, label: int | None, offset: int = 0) -> dict[str, Any]:
        """Return the fields of a new object; `offset`: number of new objects before it."""
        used = [each.colour for each in self.objects]
        colour = sorted(COLOURS, key=used.count)[offset % len(COLOURS)]  # the rarest first
        return {"label": label, "name": f"Object {label}", "colour": colour}

    def _undo(self) -> list[int]:
        done = self._done.pop()
        self._undone.append(done)
        self.objects = done.objects
        for frame in done.frames:
            self._frames[frame].pop()
            if not self._frames[frame]:
                del self._frames[frame]
        return list(done.frames)

    def _redo(self) -> list[int]:
        done = self._undone.pop()
        self._done.append(done)
        self.objects = self._objects_after(done.entry)
        self._push(done)
        return list(done.frames)

    def _push(self, done: _Done) -> None:
        for frame, state in done.frames.items():
            self._frames.setdefault(frame, []).append(state)

    def _add_result(self, entry: Entry) -> list[int]:
        """Add one frame's mask to the propagation that it is of."""
        done, frame = self._by_number[entry["of"]], entry["frame"]
        before = self.state(frame)
        state = before._replace(version=entry["of"], present=frozenset(entry["labels"]))
        done.frames[frame] = state
        if before.version == entry["of"]:
            self._frames[frame][-1] = state
        else:
            self._frames.setdefault(frame, []).append(state)
        return [frame]

    def _objects_after(self, entry: Entry) -> tuple[Object, ...]:
        label = entry.get("object")
        match entry["kind"]:
            case "add":
                self._largest_label = max(self._largest_label, entry["object"])
                return (*self.objects, Object(entry["object"], entry["name"], entry["colour"]))
            case "change":
                changes = {name: entry[name] for name in CHANGES if name in entry}
                return tuple(o._replace(**changes) if o.label == label else o for o in self.objects)
            case "remove":
                return tuple(each for each in self.objects if each.label != label)
            case "merge":
                return tuple(each for each in self.objects if each.label != entry["other"])
            case "swap":
                one, other = self.object(entry["object"]), self.object(entry["other"])
                places = {one: other._replace(label=one.label), other: one._replace(label=other.label)}
                return tuple(places.get(each, each) for each in self.objects)
            case "masks":
                added = [Object(**each) for each in entry["objects"]]
                self._largest_label = max([self._largest_label, *(each.label for each in added)])
                return (*self.objects, *added)
        return self.objects

    def _states_after(self, entry: Entry) -> Iterable[tuple[int, FrameState]]:
        """Yield the frames that an entry changes, and what it makes of them; their version is set later."""
        kind, everything = entry["kind"], frozenset(each.label for each in self.objects)
        state = self.state(entry.get("frame", -1))
        if "frames" in entry:
            for name, mask in entry["frames"].items():
                yield int(name), _drawn_on(self.state(int(name)), mask["labels"], mask["drawn"])
        elif kind == "click" and not entry["clicks"]:
            before = len(self.before_clicks(entry["frame"], entry["object"]))
            yield entry["frame"], self._frames[entry["frame"]][before - 1] if before else UNTOUCHED
        elif kind in HAND:
            drawn = [entry["object"]] if entry["object"] else everything
            yield entry["frame"], _drawn_on(state, entry["labels"], drawn)
        elif kind == "clear":
            locked = frozenset(entry.get("locked", ()))
            yield entry["frame"], FrameState(0, state.present & locked, state.drawn & locked)
        elif kind == "key":
            yield entry["frame"], state._replace(drawn=state.drawn | (state.present or everything))
        elif kind in ("review", "erase"):
            for frame in range(entry["first"], entry["last"] + 1):
                state = self.state(frame)
                if kind == "erase":
                    yield frame, _erased(state, frozenset([entry["object"]]))
                elif state.reviewed != entry["on"]:
                    yield frame, state._replace(reviewed=entry["on"])
        elif kind in ("remove", "merge", "swap"):
            for frame in self.touched:
                state = self.state(frame)
                after = _relabelled(state, entry)
                if after != state or (kind == "swap" and entry["object"] in state.present):
                    yield frame, after


def _drawn_on(state: FrameState, labels: Iterable[int], drawn: Iterable[int]) -> FrameState:
    new = frozenset(drawn)
    return state._replace(present=frozenset(labels), drawn=state.drawn | new, absent=state.absent - new)


def relabelled(entry: Entry, label: int) -> int:
    """Return the label that a label becomes by an entry "remove", "merge" or "swap"; 0 for background."""
    if entry["kind"] == "remove":
        return 0 if label == entry["object"] else label
    if label == entry["other"]:
        return int(entry["object"])
    return int(entry["other"]) if entry["kind"] == "swap" and label == entry["object"] else label


def _relabelled(state: FrameState, entry: Entry) -> FrameState:
    present, drawn, absent = (
        frozenset(relabelled(entry, label) for label in labels) - {0}
        for labels in (state.present, state.drawn, state.absent)
    )
    return state._replace(present=present, drawn=drawn, absent=absent - present)


def _erased(state: FrameState, label: frozenset[int]) -> FrameState:
    """Return a frame's state without an object; on a drawn frame the object counts as drawn."""
    drawn = state.drawn | label if state.drawn else state.drawn
    return state._replace(present=state.present - label, drawn=drawn, absent=state.absent | label)
