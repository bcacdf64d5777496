"""What a page may ask for: each kind of edit, checked field by field before anything is written.

Edits are dicts with a "kind":

    stroke, polygon, box  frame, object, points, erase (and radius): one shape drawn or rubbed out by hand
    scribble              frame, object, points, positive: a line on the object or off it becomes a mask
    unscribble            frame, object, of: the object's mask becomes what it is without scribble number `of`
    click                 frame, object, clicks: positions on the object, (x, y, 1), or beside it, (x, y, 0),
                          become its mask; those of the entry before it, if that is one of the same frame and
                          object, no longer count
    guess                 frame, object, points (and replace): a box around the object becomes a mask, added
                          to the object, or with replace takes the place of its mask
    clear                 frame: back to a frame that nobody has drawn on
    key                   frame: take its masks, wherever they come from, as drawn
    erase                 object, first, last: the object leaves these frames
    copy                  object, source, first, last: its mask on these frames becomes that of frame `source`
    move                  object, first, last, dx, dy, scale: its masks are scaled, then shifted
    refine                object, first, last, how, amount: its outlines change (see `remaking.REFINEMENTS`)
    review                first, last, on: the masks of these frames are right, and stay
    add                   name, colour: a new object; its label is given out
    change, remove        object (and any of name, category, colour, hidden, locked)
    merge                 object, other: the masks of `other` become the object's
    swap                  object, other: they exchange labels, and so their places in the list

Positions are those of `shapes.py`. `object` is a label from 1 to 255; 0, to rub out or remake masks, means
every object that is not locked.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from util.errors import InputError

SHAPES = {"stroke": 1, "polygon": 3, "box": 2}  # and how many points each needs at least
FROM_HINTS = ("scribble", "unscribble", "guess", "click")  # whose masks have to be computed
DRAWN_REMAKES = ("copy", "move")  # what they make counts as drawn
REMAKES = (*DRAWN_REMAKES, "refine")  # of whole masks; see `remaking.py`
REFINEMENTS = ("grow", "shrink", "smooth", "holes", "specks")
CHANGES = ("name", "category", "colour", "hidden", "locked")  # what can be changed of an object
MOST_POINTS = 20_000
MOST_CLICKS = 100
LARGEST_NUMBER = 1_000_000
LARGEST_RADIUS = 2000.0
LONGEST_NAME = 80
LONGEST_ID = 64
COLOUR = re.compile(r"#[0-9a-f]{6}")

Edit = dict[str, Any]


def checked_edit(raw: Any, frames: int) -> Edit:
    """Return an edit with exactly the fields of its kind.

    Args:
        raw: what a page has sent.
        frames: how many the video has.

    Raises:
        InputError: names what is wrong.
    """
    if not isinstance(raw, Mapping) or not isinstance(raw.get("kind"), str) or raw["kind"] not in _KINDS:
        raise InputError(f"an edit needs a kind, one of {', '.join(_KINDS)}.")
    kind = raw["kind"]
    edit: Edit = {"kind": kind, **edit_id(raw)}
    for name in _KINDS[kind]:
        if name in raw:
            edit[name] = _FIELDS[name](raw[name], name)
        elif name not in _OPTIONAL.get(kind, ()):
            raise InputError(f"the edit {kind} needs {name}.")
    for name in ("frame", "first", "last", "source"):
        if edit.get(name, 0) >= frames:
            raise InputError(f"{name} {edit[name]} is behind the last frame, {frames - 1}.")
    if edit.get("first", 0) > edit.get("last", frames):
        raise InputError(f"the range from {edit['first']} to {edit['last']} is empty.")
    if edit.get("object") == 0 and not edit.get("erase") and kind not in REMAKES:
        raise InputError("choose an object first.")
    if "other" in edit and edit["other"] in (0, edit["object"]):
        raise InputError(f"to {kind} objects takes two of them.")
    if kind in SHAPES and len(edit["points"]) < SHAPES[kind]:
        raise InputError(f"a {kind} needs {SHAPES[kind]} points or more.")
    if kind in ("box", "guess") and len(edit["points"]) != 2:
        raise InputError("a box needs two points, opposite corners.")
    return edit


def edit_id(raw: Mapping[str, Any]) -> Edit:
    """Return the text that tells an edit from all others, under "id", or nothing when it has none."""
    return {"id": str(raw["id"])[:LONGEST_ID]} if raw.get("id") else {}


def whole_number(value: Any, name: str, most: int | None = None) -> int:
    """Return a number from 0 on; raises InputError when it is none, or above `most`."""
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or value < 0
        or (most is not None and value > most)
    ):
        raise InputError(f"{name} must be a whole number from 0 {'on' if most is None else f'to {most}'}.")
    return value


def _label(value: Any, name: str) -> int:
    return whole_number(value, name, 255)


def _points(value: Any, name: str) -> list[list[float]]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_POINTS:
        raise InputError(f"{name} must be a list of 1 to {MOST_POINTS} positions [x, y]: split longer lines.")
    return [[_number(x, name) for x in _pair(point, name)] for point in value]


def _clicks(value: Any, name: str) -> list[list[float]]:
    if not isinstance(value, list) or len(value) > MOST_CLICKS:
        raise InputError(f"{name} must be a list of up to {MOST_CLICKS} clicks [x, y, 1 or 0].")
    if not all(isinstance(each, list) and len(each) == 3 and each[2] in (0, 1) for each in value):
        raise InputError(f"{name} must be clicks [x, y, 1 or 0].")
    return [[_number(x, name), _number(y, name), int(adds)] for x, y, adds in value]


def _pair(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise InputError(f"{name} must be positions [x, y].")
    return value


def _number(value: Any, name: str) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not abs(value) <= LARGEST_NUMBER:  # what is no number is not
        raise InputError(f"{name} must hold finite numbers, up to {LARGEST_NUMBER}.")
    return round(float(value), 3)


def _radius(value: Any, name: str) -> float:
    radius = _number(value, name)
    if not 0.5 <= radius <= LARGEST_RADIUS:
        raise InputError(f"{name} must be from 0.5 to {LARGEST_RADIUS:g} pixels.")
    return radius


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false.")
    return value


def text(value: Any, name: str) -> str:
    """Return a short text without spaces around it; raises InputError when it is none."""
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME:
        raise InputError(f"{name} must be a text of 1 to {LONGEST_NAME} characters.")
    return value.strip()


def _colour(value: Any, name: str) -> str:
    if not isinstance(value, str) or not COLOUR.fullmatch(value.lower()):
        raise InputError(f"{name} must be a colour like #e69f00.")
    return value.lower()


def _category(value: Any, name: str) -> str:
    return "" if value == "" else text(value, name)


def _scale(value: Any, name: str) -> float:
    scale = _number(value, name)
    if not 0.05 <= scale <= 20:
        raise InputError(f"{name} must be from 0.05 to 20.")
    return scale


def _refinement(value: Any, name: str) -> str:
    if value not in REFINEMENTS:
        raise InputError(f"{name} must be one of {', '.join(REFINEMENTS)}.")
    return str(value)


def _amount(value: Any, name: str) -> int:
    amount = whole_number(value, name, LARGEST_NUMBER)
    if not amount:
        raise InputError(f"{name} must be 1 or more.")
    return amount


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
    "radius": _radius,
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
    "scale": _scale,
    "how": _refinement,
    "amount": _amount,
}
_KINDS: dict[str, tuple[str, ...]] = {
    "stroke": ("frame", "object", "points", "radius", "erase"),
    "polygon": ("frame", "object", "points", "erase"),
    "box": ("frame", "object", "points", "erase"),
    "scribble": ("frame", "object", "points", "positive"),
    "unscribble": ("frame", "object", "of"),
    "guess": ("frame", "object", "points", "replace"),
    "click": ("frame", "object", "clicks"),
    "clear": ("frame",),
    "key": ("frame",),
    "erase": ("object", "first", "last"),
    "copy": ("object", "source", "first", "last"),
    "move": ("object", "first", "last", "dx", "dy", "scale"),
    "refine": ("object", "first", "last", "how", "amount"),
    "review": ("first", "last", "on"),
    "add": ("name", "colour"),
    "change": ("object", *CHANGES),
    "remove": ("object",),
    "merge": ("object", "other"),
    "swap": ("object", "other"),
}
_OPTIONAL = {"change": CHANGES, "guess": ("replace",)}
