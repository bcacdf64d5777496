"""The kinds of edits and requests that a page may send; all fields are checked before anything is written.

An edit is a dict with a "kind" and the fields in `KINDS`. Positions are those of `shapes.py`. `object` is a
label from 1 to 255; 0, to erase or to change whole masks, means all objects that are not locked.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
    create_model,
)

from util.errors import InputError

SHAPES = ("stroke", "polygon", "box")  # drawn by hand
FROM_HINTS = ("scribble", "unscribble", "guess", "click")  # masks by `segmentation.py`
DRAWN_REMAKES = ("copy", "move")  # edits of whole masks that then count as drawn
REMAKES = (*DRAWN_REMAKES, "refine")  # edits of whole masks, see `remaking.py`
WIDEST_FEATHER = 20.0  # pixels
MOST_CHOKE = 10.0
BRUSH_RADIUS = 0.5, 2000.0  # smallest and largest
LARGEST_LABEL = 255
MOST_MINUTES = 24 * 60

Edit = dict[str, Any]


def _within(low: float, high: float) -> Any:
    """Return the type of a number in a range, which is rounded to thousandths."""
    limits = Field(strict=True, ge=low, le=high, allow_inf_nan=False)
    return Annotated[float, limits, AfterValidator(lambda number: round(number, 3))]


def _list(item: Any, least: int, most: int | None = None) -> Any:
    """Return the type of a list."""
    return Annotated[list[item], Field(min_length=least, max_length=most)]


_COUNT = Annotated[StrictInt, Field(ge=0)]
_LABEL = Annotated[StrictInt, Field(ge=0, le=LARGEST_LABEL)]
_NUMBER = _within(-1e6, 1e6)
_RADIUS = _within(*BRUSH_RADIUS)
_POSITION = _list(_NUMBER, 2, 2)
_CLICK = tuple[_NUMBER, _NUMBER, Literal[0, 1]]  # type: ignore[valid-type]
_NAME = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
_COLOUR = Annotated[str, StringConstraints(pattern="^#[0-9a-fA-F]{6}$", to_lower=True)]
_ON_FRAME = {"frame": _COUNT, "object": _LABEL}
_RANGE = {"first": _COUNT, "last": _COUNT}
_ON_RANGE = {"object": _LABEL, **_RANGE}
_REFINEMENT = Literal["grow", "shrink", "smooth", "holes", "specks"]
CHANGES = {
    "name": _NAME,
    "category": Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)],
    "colour": _COLOUR,
    "hidden": StrictBool,
    "locked": StrictBool,
}
KINDS: dict[str, dict[str, Any]] = {
    # a shape, drawn or erased by hand
    "stroke": {**_ON_FRAME, "points": _list(_POSITION, 1), "radius": _RADIUS, "erase": StrictBool},
    "polygon": {**_ON_FRAME, "points": _list(_POSITION, 3), "erase": StrictBool},
    "box": {**_ON_FRAME, "points": _list(_POSITION, 2, 2), "erase": StrictBool},
    # a mask computed from lines on the object or on the background
    "scribble": {**_ON_FRAME, "points": _list(_POSITION, 1), "positive": StrictBool},
    # the mask of the other scribbles: scribble number `of` is removed
    "unscribble": {**_ON_FRAME, "of": _COUNT},
    # a mask computed from a box; with `replace`, it replaces the object's mask
    "guess": {**_ON_FRAME, "points": _list(_POSITION, 2, 2), "replace": StrictBool},
    # a mask computed from all clicks [x, y, 1 or 0 for background]; it replaces that of the clicks before
    "click": {**_ON_FRAME, "clicks": _list(_CLICK, 0, 100)},
    # all that was drawn on a frame is removed; its masks count as drawn
    "clear": {"frame": _COUNT},
    "key": {"frame": _COUNT},
    # the object is removed from frames, gets the mask of frame `source`, is scaled and shifted, is refined
    "erase": _ON_RANGE,
    "copy": {**_ON_RANGE, "source": _COUNT},
    "move": {**_ON_RANGE, "dx": _NUMBER, "dy": _NUMBER, "scale": _within(0.05, 20)},
    "refine": {**_ON_RANGE, "how": _REFINEMENT, "amount": Annotated[StrictInt, Field(ge=1, le=1_000_000)]},
    # propagation does not change these frames
    "review": {**_RANGE, "on": StrictBool},
    # add, change, remove, merge (`other` into it) or swap objects
    "add": {"name": _NAME, "colour": _COLOUR},
    "change": {"object": _LABEL, **CHANGES},
    "remove": {"object": _LABEL},
    "merge": {"object": _LABEL, "other": _LABEL},
    "swap": {"object": _LABEL, "other": _LABEL},
    "undo": {},
    "redo": {},
}
REQUESTS: dict[str, dict[str, Any]] = {
    "propagate": {**_RANGE, "forward": StrictBool, "backward": StrictBool},
    "export": {
        **_RANGE,
        "objects": _list(_LABEL, 1),
        "feather": _within(0, WIDEST_FEATHER),
        "choke": _within(-MOST_CHOKE, MOST_CHOKE),
        "apart": StrictBool,
    },
    "fit": {"minutes": Annotated[float, Field(strict=True, gt=0, le=MOST_MINUTES)]},
    "find": {"frame": _COUNT, "word": _NAME},
    "import": {"frame": Annotated[int, Field(ge=0)]},
}
_OPTIONAL = {"change": CHANGES, "guess": ("replace",), "export": REQUESTS["export"]}


def _model(kind: str, fields: Mapping[str, Any]) -> Any:
    """Return the Pydantic model of an edit or a request."""
    optional = _OPTIONAL.get(kind, ())
    types: Any = {name: (each, None if name in optional else ...) for name, each in fields.items()}
    return create_model(kind, id=(Annotated[str, Field(max_length=64)], None), **types)


_MODELS = {kind: _model(kind, fields) for kind, fields in {**KINDS, **REQUESTS}.items()}


def checked_edit(raw: Mapping[str, Any], frames: int) -> Edit:
    """Return an edit with the fields of its kind alone.

    Args:
        raw: the edit as the page has sent it.
        frames: number of frames of the video.

    Raises:
        InputError: a field is missing or wrong.
    """
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"an edit needs a kind, one of {', '.join(KINDS)}.")
    edit = {"kind": kind, **checked(kind, raw, frames)}
    if edit.get("object") == 0 and not edit.get("erase") and kind not in REMAKES:
        raise InputError("choose an object first.")
    if "other" in edit and edit["other"] in (0, edit["object"]):
        raise InputError(f"choose two objects to {kind}.")
    return edit


def checked(kind: str, raw: Mapping[str, Any], frames: int) -> dict[str, Any]:
    """Return the checked fields of an edit or of a request.

    Args:
        kind: key of `KINDS` or `REQUESTS`.
        raw: JSON fields; unknown ones are ignored.
        frames: number of frames of the video.

    Raises:
        InputError: a field is missing or wrong.
    """
    try:
        fields = _MODELS[kind].model_validate(raw).model_dump(exclude_unset=True)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        name = ".".join(map(str, wrong["loc"]))
        raise InputError(f"{name} of {kind} is wrong: {wrong['msg']}.") from error
    for name in ("frame", "first", "last", "source"):
        if fields.get(name, 0) >= frames:
            raise InputError(f"{name} must be from 0 to {frames - 1}.")
    if fields.get("first", 0) > fields.get("last", frames):
        raise InputError(f"the range from {fields['first']} to {fields['last']} is empty.")
    return fields
