"""The kinds of edits that a page may send; each field is checked before anything is written.

An edit is a dict with a "kind" and the fields in `KINDS`. Positions are those of `shapes.py`. `object` is a
label from 1 to 255; 0, to erase or to change whole masks, means all objects that are not locked.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from util.errors import InputError

SHAPES = {"stroke": 1, "polygon": 3, "box": 2}  # and the fewest points of each
FROM_HINTS = ("scribble", "unscribble", "guess", "click")  # masks by `segmentation.py`
DRAWN_REMAKES = ("copy", "move")  # edits of whole masks that then count as drawn
REMAKES = (*DRAWN_REMAKES, "refine")  # edits of whole masks, see `remaking.py`
REFINEMENTS = ("grow", "shrink", "smooth", "holes", "specks")
CHANGES = ("name", "category", "colour", "hidden", "locked")  # fields of an object
MOST_POINTS = 20_000
MOST_CLICKS = 100
LARGEST_NUMBER = 1e6
LONGEST_NAME = 80
LONGEST_ID = 64
COLOUR = re.compile(r"#[0-9a-f]{6}")

Edit = dict[str, Any]


def checked_edit(raw: Any, frames: int) -> Edit:
    """Return an edit with exactly the fields of its kind.

    Args:
        raw: the edit as the page has sent it.
        frames: number of frames of the video.

    Raises:
        InputError: a field is missing or wrong.
    """
    if not isinstance(raw, Mapping) or not isinstance(raw.get("kind"), str) or raw["kind"] not in KINDS:
        raise InputError(f"an edit needs a kind, one of {', '.join(KINDS)}.")
    kind = raw["kind"]
    edit: Edit = {"kind": kind, **edit_id(raw)}
    for name in KINDS[kind]:
        if name in raw:
            edit[name] = _FIELDS[name](raw[name], name)
        elif name not in _OPTIONAL.get(kind, ()):
            raise InputError(f"the edit {kind} needs {name}.")
    for name in ("frame", "first", "last", "source"):
        if edit.get(name, 0) >= frames:
            raise InputError(f"{name} {edit[name]} is after the last frame, {frames - 1}.")
    if edit.get("first", 0) > edit.get("last", frames):
        raise InputError(f"the range from {edit['first']} to {edit['last']} is empty.")
    if edit.get("object") == 0 and not edit.get("erase") and kind not in REMAKES:
        raise InputError("choose an object first.")
    if "other" in edit and edit["other"] in (0, edit["object"]):
        raise InputError(f"choose two objects to {kind}.")
    if kind in SHAPES and len(edit["points"]) < SHAPES[kind]:
        raise InputError(f"a {kind} needs {SHAPES[kind]} points or more.")
    if kind in ("box", "guess") and len(edit["points"]) != 2:
        raise InputError("a box needs two points, opposite corners.")
    return edit


def edit_id(raw: Mapping[str, Any]) -> Edit:
    """Return the text that identifies an edit, under "id"; nothing when it has none."""
    return {"id": str(raw["id"])[:LONGEST_ID]} if raw.get("id") else {}


def whole_number(value: Any, name: str, most: int | None = None, least: int = 0) -> int:
    """Return a whole number; raise InputError when it is none, or out of range."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        limit = "on" if most is None else f"to {most}"
        raise InputError(f"{name} must be a whole number from {least} {limit}.")
    return int(value)


def text(value: Any, name: str) -> str:
    """Return a short text without spaces around it; raise InputError when it is none."""
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME:
        raise InputError(f"{name} must be a text of 1 to {LONGEST_NAME} characters.")
    return value.strip()


def _label(value: Any, name: str) -> int:
    return whole_number(value, name, 255)


def _amount(value: Any, name: str) -> int:
    return whole_number(value, name, int(LARGEST_NUMBER), least=1)


def _within(low: float, high: float) -> Callable[[Any, str], float]:
    """Return a check for a number in a range, which rounds to thousandths."""

    def check(value: Any, name: str) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:  # also NaN
            raise InputError(f"{name} must be a number from {low:g} to {high:g}.")
        return round(float(value), 3)

    return check


_number = _within(-LARGEST_NUMBER, LARGEST_NUMBER)


def _points(value: Any, name: str) -> list[list[float]]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_POINTS:
        raise InputError(f"{name} must be a list of 1 to {MOST_POINTS} positions [x, y]: split longer lines.")
    if not all(isinstance(point, list) and len(point) == 2 for point in value):
        raise InputError(f"{name} must be positions [x, y].")
    return [[_number(x, name) for x in point] for point in value]


def _clicks(value: Any, name: str) -> list[list[float]]:
    if not isinstance(value, list) or len(value) > MOST_CLICKS:
        raise InputError(f"{name} must be a list of up to {MOST_CLICKS} clicks [x, y, 1 or 0].")
    if not all(isinstance(each, list) and len(each) == 3 and each[2] in (0, 1) for each in value):
        raise InputError(f"{name} must be clicks [x, y, 1 or 0].")
    return [[_number(x, name), _number(y, name), int(adds)] for x, y, adds in value]


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false.")
    return value


def _colour(value: Any, name: str) -> str:
    if not isinstance(value, str) or not COLOUR.fullmatch(value.lower()):
        raise InputError(f"{name} must be a colour like #e69f00.")
    return value.lower()


def _category(value: Any, name: str) -> str:
    return "" if value == "" else text(value, name)


def _refinement(value: Any, name: str) -> str:
    if value not in REFINEMENTS:
        raise InputError(f"{name} must be one of {', '.join(REFINEMENTS)}.")
    return str(value)


_FIELDS: dict[str, Callable[[Any, str], Any]] = {
    "frame": whole_number,
    "first": whole_number,
    "last": whole_number,
    "source": whole_number,
    "of": whole_number,
    "object": _label,
    "other": _label,
    "points": _points,
    "clicks": _clicks,
    "radius": _within(0.5, 2000),
    "erase": _flag,
    "positive": _flag,
    "replace": _flag,
    "on": _flag,
    "hidden": _flag,
    "locked": _flag,
    "name": text,
    "category": _category,
    "colour": _colour,
    "dx": _number,
    "dy": _number,
    "scale": _within(0.05, 20),
    "how": _refinement,
    "amount": _amount,
}
KINDS: dict[str, tuple[str, ...]] = {
    # a shape, drawn or erased by hand
    "stroke": ("frame", "object", "points", "radius", "erase"),
    "polygon": ("frame", "object", "points", "erase"),
    "box": ("frame", "object", "points", "erase"),
    # a mask computed from lines on the object or beside it; and without scribble number `of`
    "scribble": ("frame", "object", "points", "positive"),
    "unscribble": ("frame", "object", "of"),
    # a mask computed from a box; with `replace`, it replaces the object's mask
    "guess": ("frame", "object", "points", "replace"),
    # a mask computed from all clicks [x, y, 1 or 0 for background]; it replaces that of the clicks before
    "click": ("frame", "object", "clicks"),
    # all that was drawn on a frame is removed; its masks count as drawn
    "clear": ("frame",),
    "key": ("frame",),
    # the object is removed from frames, gets the mask of frame `source`, is scaled and shifted, is refined
    "erase": ("object", "first", "last"),
    "copy": ("object", "source", "first", "last"),
    "move": ("object", "first", "last", "dx", "dy", "scale"),
    "refine": ("object", "first", "last", "how", "amount"),
    # propagation does not change these frames
    "review": ("first", "last", "on"),
    # objects: new, with fields changed, removed; `other` becomes part of it, or exchanges labels with it
    "add": ("name", "colour"),
    "change": ("object", *CHANGES),
    "remove": ("object",),
    "merge": ("object", "other"),
    "swap": ("object", "other"),
}
_OPTIONAL = {"change": CHANGES, "guess": ("replace",)}
