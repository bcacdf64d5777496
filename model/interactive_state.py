"""What an interactive session knows: plain values, and numbers of arrays in a store."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from util.errors import InputError
from util.files import atomic_path

STATE_FILE = "state.json"


@dataclass(frozen=True)
class Stored:
    """The probabilities of a frame.

    Attributes:
        array: number of the array `(K+1) x H x W`, padded.
        labels: of its K objects.
    """

    array: int
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Certain:
    """What is remembered of a given frame: numbers of key and value of each object, by label."""

    frame: int
    keys: dict[int, int]
    values: dict[int, int]

    def without(self, label: int) -> "Certain":
        """Return the same without one object."""
        keys, values = (
            {k: v for k, v in numbers.items() if k != label} for numbers in (self.keys, self.values)
        )
        return Certain(self.frame, keys, values)


@dataclass(frozen=True)
class Pass:
    """One way through a stretch of frames.

    Attributes:
        source: the given frame that it begins beside.
        step: 1 forward, -1 backward.
        stop: the frame before which it ends.
        bound: the given frame beyond its end; None where it runs to an end of the video.
        fuse: join results with what was there, rather than replace it.
        before: what was stored of the source before it was given.
    """

    source: int
    step: int
    stop: int
    bound: int | None
    fuse: bool
    before: Stored | None


@dataclass(frozen=True)
class Remembered:
    """A frame that a pass remembers: numbers of its keys and values, `K x (h*w) x C`."""

    frame: int
    keys: int
    values: int
    permanent: bool


@dataclass
class Round:
    """A propagation that has begun.

    Attributes:
        passes: to be done, the first of which is under way.
        kept: first and last frame whose results are kept.
        sources: given frames that are pending no more when it is done.
        next: the frame that comes next in the first pass; None before it has begun.
        memory: of the first pass, beyond what is certain; the last may be temporary.
    """

    passes: list[Pass]
    kept: tuple[int, int]
    sources: list[int]
    next: int | None = None
    memory: list[Remembered] = field(default_factory=list)


@dataclass
class State:
    """All of it; copied before each change, so that changes can be undone.

    Attributes:
        labels: of the objects, in the order of the channels.
        frames: probabilities by frame.
        given: frames whose masks were given, never changed by a propagation.
        certain: what is remembered of them, in the order of giving.
        pending: frames given since the last whole propagation, with what was stored of them before.
        round: a propagation that has begun and not ended.
    """

    labels: list[int]
    frames: dict[int, Stored] = field(default_factory=dict)
    given: list[int] = field(default_factory=list)
    certain: list[Certain] = field(default_factory=list)
    pending: dict[int, Stored | None] = field(default_factory=dict)
    round: Round | None = None

    def shown(self) -> list[int]:
        """Return the labels of the objects that some given mask has shown."""
        known = {label for each in self.certain for label in each.keys}
        return [label for label in self.labels if label in known]

    def copy(self) -> "State":
        """Return a state that changes apart from this one; what lies in it never changes."""
        current = self.round
        if current is not None:
            current = Round(
                list(current.passes), current.kept, current.sources, current.next, list(current.memory)
            )
        return State(
            list(self.labels),
            dict(self.frames),
            list(self.given),
            list(self.certain),
            dict(self.pending),
            current,
        )

    def arrays(self) -> Iterator[int]:
        """Yield the numbers of all arrays that it needs."""
        stored = [*self.frames.values(), *self.pending.values()]
        if self.round is not None:
            stored += [each.before for each in self.round.passes]
            for remembered in self.round.memory:
                yield from (remembered.keys, remembered.values)
        yield from (each.array for each in stored if each is not None)
        for certain in self.certain:
            yield from (*certain.keys.values(), *certain.values.values())


def check_new(folder: Path) -> None:
    """Raise InputError when something lies in the folder of a session that is to begin."""
    if folder.is_dir() and any(path.name[0] != "." for path in folder.iterdir()):
        raise InputError(f"{folder} is not empty: resume what is in it, or give another folder.")


def write_state(folder: Path, settings: dict[str, Any], state: State, older: Sequence[int]) -> None:
    """Write the state of a session at once.

    Args:
        folder: of the session.
        settings: of its engine.
        state: as it is now.
        older: numbers of the states before it, which `write_older` has written.
    """
    content = {"settings": settings, "state": asdict(state), "older": list(older)}
    _write(folder / STATE_FILE, content)


def write_older(folder: Path, number: int, state: State) -> None:
    """Write a state to which a session can be brought back."""
    _write(_older(folder, number), asdict(state))


def read_states(folder: Path) -> tuple[dict[str, Any], State, dict[int, State]]:
    """Read a session.

    Returns:
        The settings, the state, and those before it by number, the oldest first.

    Raises:
        InputError: there is none, or it is damaged.
    """
    content = _read(folder / STATE_FILE)
    try:
        older = {number: _state(_read(_older(folder, number))) for number in content["older"]}
        return dict(content["settings"]), _state(content["state"]), older
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / STATE_FILE} is damaged: begin again in another folder.") from error


def remove_older(folder: Path, kept: Collection[int]) -> None:
    """Remove the states that are no longer wanted."""
    for path in folder.glob("older_*.json"):
        if int(path.stem.rpartition("_")[2]) not in kept:
            path.unlink()


def _older(folder: Path, number: int) -> Path:
    return folder / f"older_{number}.json"


def _write(path: Path, content: Any) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content))


def _read(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"there is no whole session in {path.parent}: {path.name} is missing.")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is damaged: begin again in another folder.") from error


def _state(content: dict[str, Any]) -> State:
    return State(
        content["labels"],
        {int(frame): _stored(stored) for frame, stored in content["frames"].items()},
        content["given"],
        [
            Certain(each["frame"], _by_label(each["keys"]), _by_label(each["values"]))
            for each in content["certain"]
        ],
        {int(frame): stored and _stored(stored) for frame, stored in content["pending"].items()},
        content["round"] and _round(content["round"]),
    )


def _round(content: dict[str, Any]) -> Round:
    passes = [
        Pass(**{**each, "before": each["before"] and _stored(each["before"])}) for each in content["passes"]
    ]
    first, last = content["kept"]
    memory = [Remembered(**each) for each in content["memory"]]
    return Round(passes, (first, last), content["sources"], content["next"], memory)


def _by_label(content: dict[str, int]) -> dict[int, int]:
    return {int(label): number for label, number in content.items()}


def _stored(content: dict[str, Any]) -> Stored:
    return Stored(content["array"], tuple(content["labels"]))
