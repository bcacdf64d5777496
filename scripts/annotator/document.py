"""What the log of edits amounts to: the objects, and for each frame its versions.

A version is the number of the last entry that changed a frame. Undo takes away the last entry, and what comes
after an undo gets a new number, so a version says all that has happened to a frame: pictures of it can be
kept for ever.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from scripts.annotator.edit_log import Entry
from scripts.annotator.edits import CHANGES, SHAPES
from util.errors import InputError

# Colours that differ for the colour-blind too (Okabe and Ito, "Color Universal Design", 2008), on dark
# grounds first; then others, each the one that is furthest in CIELAB from all before it
COLOURS = (
    *("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#e8e8e8"),
    *("#4b00ff", "#00ff00", "#ff1ee1", "#ff005a", "#695a1e", "#0069ff", "#4ba500", "#00ff96"),
    *("#00ffff", "#962d2d", "#ffa587", "#872da5", "#c3f0a5", "#2d5a5a", "#d20f87", "#b496ff"),
)
LARGEST_LABEL = 255
HAND = (*SHAPES, "masks", "scribble", "unscribble", "guess", "click")  # entries that draw


@dataclass(frozen=True)
class Object:
    """One object of the video."""

    label: int  # its value in masks, 1 to 255
    name: str
    colour: str  # "#rrggbb"
    hidden: bool = False
    locked: bool = False  # nothing changes its pixels
    category: str = ""  # class in the exports that have classes; "" is the name


@dataclass(frozen=True)
class FrameState:
    """A frame after one of the entries that changed it."""

    version: int = 0
    present: frozenset[int] = frozenset()  # labels that have pixels
    drawn: frozenset[int] = (
        frozenset()
    )  # labels that a person drew, rubbed out or took over: the frame is given
    reviewed: bool = False  # a person approved the frame; propagations do not change it
    absent: frozenset[int] = frozenset()  # labels that a person took off: no propagation brings them back


UNTOUCHED = FrameState()


@dataclass
class _Done:
    """An entry that counts, and what is needed to take it back."""

    entry: Entry
    objects: tuple[Object, ...]  # before it
    frames: dict[int, FrameState] = field(default_factory=dict)  # what it made of frames


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
                f"edit {number} of the log builds on one that is not there, or is damaged: remove its line "
                "and those behind it to go on from there."
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
        done.frames = dict(self._states_after(entry))
        self._undone.clear()
        self._done.append(done)
        self._by_number[entry["n"]] = done
        self._push(done)
        return list(done.frames)

    @property
    def undoable(self) -> Entry | None:
        """The entry that undo would take back."""
        return self._done[-1].entry if self._done else None

    @property
    def redoable(self) -> Entry | None:
        """The entry that redo would bring back."""
        return self._undone[-1].entry if self._undone else None

    @property
    def reachable(self) -> set[int]:
        """Numbers of the entries that count now, or would after redo."""
        return {done.entry["n"] for done in (*self._done, *self._undone)}

    @property
    def touched(self) -> list[int]:
        """Frames that have something, in order."""
        return sorted(self._frames)

    @property
    def given(self) -> list[int]:
        """Frames that a person has drawn on, in order."""
        return [frame for frame in self.touched if self.state(frame).drawn]

    def state(self, frame: int) -> FrameState:
        """Return a frame as it is now."""
        return self._frames[frame][-1] if frame in self._frames else UNTOUCHED

    def history(self, frame: int, version: int | None = None) -> list[Entry]:
        """Return the entries that changed a frame, up to one of its versions.

        Raises:
            InputError: it has no such version (any more).
        """
        numbers = [state.version for state in self._frames.get(frame, [])]
        if version is not None and version != 0 and version not in numbers:
            raise InputError(f"frame {frame} has no version {version} now.")
        return [self._by_number[n].entry for n in numbers if version is None or n <= version]

    def is_copy(self, frame: int) -> bool:
        """Tell whether a copy was the last change of a frame."""
        done = self._by_number.get(self.state(frame).version)
        return done is not None and done.entry["kind"] == "copy"

    def before_clicks(self, frame: int, label: int) -> list[Entry]:
        """Return the entries that changed a frame but for the clicks on an object that are its last ones."""
        entries = self.history(frame)
        while entries and entries[-1]["kind"] == "click" and entries[-1]["object"] == label:
            entries.pop()
        return entries

    def clicks(self, frame: int) -> dict[str, Any] | None:
        """Return "object" and "clicks" of a frame that was last changed by clicks."""
        done = self._by_number.get(self.state(frame).version)
        is_click = done is not None and done.entry["kind"] == "click"
        return {name: done.entry[name] for name in ("object", "clicks")} if done and is_click else None

    def effective(self, kind: str) -> list[Entry]:
        """Return the entries of a kind that count now, in order."""
        return [done.entry for done in self._done if done.entry["kind"] == kind]

    def counts(self, number: int) -> bool:
        """Tell whether an entry counts now, neither undone nor replaced."""
        done = self._by_number.get(number)
        return done is not None and any(each is done for each in reversed(self._done))

    def object(self, label: int) -> Object:
        """Return an object; raises InputError when there is none of this label."""
        for each in self.objects:
            if each.label == label:
                return each
        raise InputError(f"there is no object {label} (any more).")

    @property
    def locked(self) -> frozenset[int]:
        """Labels of the objects whose pixels nothing changes."""
        return frozenset(each.label for each in self.objects if each.locked)

    def free_label(self) -> int:
        """Return a label for a new object: one that was never used, as long as there is one.

        Raises:
            InputError: there are 255 objects.
        """
        for label in self.free_labels():
            return label
        raise InputError(f"there are {LARGEST_LABEL} objects already, which is as many as a mask can hold.")

    def free_labels(self) -> list[int]:
        """Return the labels that new objects can have, those that were never used first."""
        taken = {each.label for each in self.objects}
        unused = range(self._largest_label + 1, LARGEST_LABEL + 1)
        return [label for label in (*unused, *range(1, LARGEST_LABEL + 1)) if label not in taken]

    def free_colour(self) -> str:
        """Return the colour that the fewest objects have."""
        used = [each.colour for each in self.objects]
        return min(COLOURS, key=used.count)

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
        state = replace(before, version=entry["of"], present=frozenset(entry["labels"]))
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
                return tuple(replace(o, **changes) if o.label == label else o for o in self.objects)
            case "remove":
                return tuple(each for each in self.objects if each.label != label)
            case "merge":
                return tuple(each for each in self.objects if each.label != entry["other"])
            case "swap":
                one, other = self.object(entry["object"]), self.object(entry["other"])
                places = {one: replace(other, label=one.label), other: replace(one, label=other.label)}
                return tuple(places.get(each, each) for each in self.objects)
            case "masks":
                added = [Object(**each) for each in entry["objects"]]
                self._largest_label = max([self._largest_label, *(each.label for each in added)])
                return (*self.objects, *added)
        return self.objects

    def _states_after(self, entry: Entry) -> Iterable[tuple[int, FrameState]]:
        """Yield the frames that an entry changes, and what it makes of them."""
        kind, number = entry["kind"], entry["n"]
        if "frames" in entry:
            for name, mask in entry["frames"].items():
                yield int(name), self._drawn_on(int(name), number, mask["labels"], mask["drawn"])
        elif kind == "click" and not entry["clicks"]:
            before = len(self.before_clicks(entry["frame"], entry["object"]))
            state = self._frames[entry["frame"]][before - 1] if before else UNTOUCHED
            yield entry["frame"], replace(state, version=number)
        elif kind in HAND:
            labels = [entry["object"]] if entry["object"] else [each.label for each in self.objects]
            yield entry["frame"], self._drawn_on(entry["frame"], number, entry["labels"], labels)
        elif kind == "clear":
            state, locked = self.state(entry["frame"]), frozenset(entry.get("locked", ()))
            yield entry["frame"], FrameState(number, state.present & locked, state.drawn & locked)
        elif kind == "key":
            state = self.state(entry["frame"])
            drawn = state.present or frozenset(each.label for each in self.objects)
            yield entry["frame"], replace(state, version=number, drawn=state.drawn | drawn)
        elif kind == "review":
            for frame in range(entry["first"], entry["last"] + 1):
                state = self.state(frame)
                if state.reviewed != entry["on"]:
                    yield frame, replace(state, version=number, reviewed=entry["on"])
        elif kind == "erase":
            for frame in range(entry["first"], entry["last"] + 1):
                after = _without(self.state(frame), entry["object"])
                label = frozenset([entry["object"]])
                drawn = after.drawn | label if self.state(frame).drawn else after.drawn
                yield frame, replace(after, version=number, drawn=drawn, absent=after.absent | label)
        elif kind in ("remove", "merge", "swap"):
            for frame in self.touched:
                state = self.state(frame)
                after = _without(state, entry["object"]) if kind == "remove" else _relabelled(state, entry)
                if after != state or (kind == "swap" and entry["object"] in state.present):
                    yield frame, replace(after, version=number)

    def _drawn_on(self, frame: int, number: int, labels: Iterable[int], drawn: Iterable[int]) -> FrameState:
        before, new = self.state(frame), frozenset(drawn)
        return replace(
            before,
            version=number,
            present=frozenset(labels),
            drawn=before.drawn | new,
            absent=before.absent - new,
        )


def relabelled(entry: Entry, label: int) -> int:
    """Return what becomes of a label when two objects are merged, or exchange their labels."""
    if label == entry["other"]:
        return int(entry["object"])
    return int(entry["other"]) if entry["kind"] == "swap" and label == entry["object"] else label


def _relabelled(state: FrameState, entry: Entry) -> FrameState:
    """Return a frame's state after a merge or a swap."""
    present, drawn, absent = (
        frozenset(relabelled(entry, label) for label in labels)
        for labels in (state.present, state.drawn, state.absent)
    )
    return replace(state, present=present, drawn=drawn, absent=absent - present)


def _without(state: FrameState, label: int) -> FrameState:
    """Return a frame's state without one of the labels."""
    sets = {name: getattr(state, name) - {label} for name in ("present", "drawn", "absent")}
    return replace(state, **sets)
