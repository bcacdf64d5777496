"""What of an annotation is exported, and how its objects are cut out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.annotator.cut_out import Edge
from scripts.annotator.edits import whole_number
from util.errors import InputError


@dataclass(frozen=True)
class Choice:
    """What is exported; by default everything.

    Attributes:
        first: frame.
        last: frame; None for the last of the video.
        labels: of the objects; None for all.
        edge: of cut-out films.
        apart: write a film of its own for each object.
    """

    first: int = 0
    last: int | None = None
    labels: Sequence[int] | None = None
    edge: Edge = field(default_factory=Edge)
    apart: bool = False


def checked_choice(raw: Mapping[str, Any], frames: int, labels: Sequence[int]) -> Choice:
    """Return what a page or the command line chooses.

    Args:
        raw: "first", "last", "objects", "feather", "choke" and "apart"; what is missing or None is as usual.
        frames: number of frames of the video.
        labels: of all objects.

    Raises:
        InputError: a frame or object is not there, nothing is chosen, or a number is out of range.
    """
    given = {name: value for name, value in raw.items() if value is not None}
    first = whole_number(given.get("first", 0), "first", frames - 1)
    last = whole_number(given.get("last", frames - 1), "last", frames - 1)
    if first > last:
        raise InputError(f"the range from {first} to {last} is empty.")
    chosen = given.get("objects")
    if chosen is not None:
        if not isinstance(chosen, list) or not chosen:
            raise InputError("choose one object or more.")
        strange = [label for label in chosen if label not in labels]
        if strange:
            raise InputError(f"there is no object {strange[0]}; there are {', '.join(map(str, labels))}.")
    return Choice(first, last, chosen, checked_edge(given), given.get("apart") is True)


def checked_edge(raw: Mapping[str, Any]) -> Edge:
    """Return the edge that a page or the command line asks for, "feather" and "choke"."""
    try:
        feather, choke = float(raw.get("feather", 0)), float(raw.get("choke", 0))
    except (TypeError, ValueError) as error:
        raise InputError("feather and choke must be numbers of pixels.") from error
    return Edge(feather, choke)
