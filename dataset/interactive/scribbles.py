"""Scribbles: lines that a user, or the robot of the DAVIS interactive track, draws on a frame.

A scribble map is `H x W`, integer: the label of the marked object on its lines, 0 on lines that mark the
background, and -1 elsewhere. Scribble files are JSON, as in DAVIS 2017: `{"scribbles": [[{"path": [[x, y],
...], "object_id": n}, ...], ...], "sequence": name, "annotated_frame": n}` with a list of lines for each
frame of the sequence, and positions from 0 to 1.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.draw import line

from util.errors import InputError

NONE = -1  # value of pixels without a scribble
STROKE_WIDTH = 3  # width in pixels of a user's stroke, and of a thin line that `split_scribbles` has widened


def no_scribbles(size: tuple[int, int]) -> NDArray[np.int32]:
    """Return an empty scribble map of size (h, w)."""
    return np.full(size, NONE, np.int32)


def scribble_map(scribbles: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> NDArray[np.int32]:
    """Draw the lines of one frame, one pixel wide, later ones over earlier ones.

    Args:
        scribbles: lines of one frame as in a file, with "path", points (x, y) in [0, 1], and "object_id".
        size: (h, w) of the result. Points are scaled by (w - 1, h - 1) and truncated, as in the DAVIS
            interactive track.

    Returns:
        Scribble map `h x w`.
    """
    result = no_scribbles(size)
    scale = np.array([size[1] - 1, size[0] - 1])
    for scribble in scribbles:
        points = (np.array(scribble["path"], np.float64).reshape(-1, 2) * scale).astype(int)
        if len(points):
            result[tuple(points[0, ::-1])] = scribble["object_id"]
        for (x0, y0), (x1, y1) in zip(points[:-1].tolist(), points[1:].tolist(), strict=True):
            result[line(y0, x0, y1, x1)] = scribble["object_id"]
    return result


def draw_stroke(
    scribbles: NDArray[np.int32], points: ArrayLike, label: int, width: int = STROKE_WIDTH
) -> None:
    """Draw a user's stroke into a scribble map.

    Args:
        scribbles: scribble map `H x W`, changed in place.
        points: N points (x, y) in pixels, with pixel centres at whole numbers; one point is a dot. Parts
            outside of the picture are cut off.
        label: label of the object; 0 for background, -1 erases.
        width: width in pixels; the ends are round.
    """
    at = np.rint(np.asarray(points, np.float64)).astype(np.int32).reshape(-1, 1, 2)
    # with a margin for lines outside of the picture whose width reaches into it
    thin = np.zeros((scribbles.shape[0] + 2 * width, scribbles.shape[1] + 2 * width), np.uint8)
    cv2.polylines(thin, [np.concatenate([at[:1], at]) + width], isClosed=False, color=1)
    inside = cv2.dilate(thin, disk(width))[width:-width, width:-width]
    scribbles[inside > 0] = label


def disk(width: int) -> NDArray[np.uint8]:
    """Return the pixels whose centres a disk covers, `width x width`, 0 or 1; 3 pixels give a square."""
    offsets = np.arange(width) - (width - 1) / 2
    return (np.hypot(offsets[:, None], offsets) <= width / 2).astype(np.uint8)


def split_scribbles(
    scribbles: NDArray[np.integer], label: int, widen: bool = False
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the positive and the negative scribbles of an object, both `H x W`.

    Args:
        scribbles: scribble map `H x W`.
        label: label of the object. All other scribbles are negative, also those of the background.
        widen: whether to dilate by 3 x 3, for lines one pixel wide.
    """
    positive = scribbles == label
    negative = (scribbles != NONE) & ~positive
    if widen:
        square = disk(STROKE_WIDTH)
        positive, negative = (
            cv2.dilate(side.astype(np.uint8), square).astype(bool) for side in (positive, negative)
        )
    return positive, negative


def read_scribbles(path: Path, sequence: str, frames: int, objects: int) -> dict[str, Any]:
    """Read a scribble file.

    Args:
        path: path of the file.
        sequence: name of the sequence that it must belong to.
        frames: number of frames of the sequence.
        objects: largest label of scribbles.

    Returns:
        Content of the file; `scribble_map` takes `result["scribbles"][frame]`.

    Raises:
        InputError: the file cannot be read, belongs to another sequence, or has another form.
    """
    if not path.is_file():
        raise InputError(f"there are no scribbles at {path}: give the path of a .json file.")
    try:
        content = json.loads(path.read_text())
    except ValueError as error:  # invalid JSON or UTF-8
        raise InputError(f"{path} is no whole JSON file ({error}): fetch or save it again.") from error
    if fault := _fault(content, sequence, frames, objects):
        raise InputError(f"the scribbles in {path} {fault}.")
    return content


def _fault(content: Any, sequence: str, frames: int, objects: int) -> str:
    """Return the first fault of a scribble file and what is needed instead; an empty text without one."""
    lists = content.get("scribbles") if isinstance(content, dict) else None
    if not isinstance(lists, list) or not all(isinstance(each, list) for each in lists):
        return 'have no list "scribbles" that holds a list for each frame'
    if content.get("sequence") != sequence:
        return f"are of the sequence {content.get('sequence')}: give those of {sequence}"
    if len(lists) != frames:
        return f"are for {len(lists)} frames, and the sequence has {frames}: give its own"
    for frame, scribbles in enumerate(lists):
        if not all(_is_scribble(each, objects) for each in scribbles):
            return (
                f'have a line on frame {frame} that is wrong: a line has an "object_id" from 0 to {objects} '
                'and a "path", points [x, y] from 0 to 1 (shares of width and height, not pixels)'
            )
    if not any(each["object_id"] > 0 and each["path"] for scribbles in lists for each in scribbles):
        return "mark no object: at least one line needs an object_id above 0"
    return ""


def _is_scribble(scribble: Any, objects: int) -> bool:
    try:
        points, label = np.array(scribble["path"], np.float64).reshape(-1, 2), scribble["object_id"]
    except (TypeError, KeyError, ValueError):
        return False
    return type(label) is int and 0 <= label <= objects and bool(((points >= 0) & (points <= 1)).all())
