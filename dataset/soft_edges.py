"""Telling the soft edge of an object from objects.

Drawing programs blend the pixels of an outline with what lies behind it. In a mask each of the blends is an
id of its own: a dozen objects of a few pixels around the one that was meant.
"""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

MOST_IDS = 4096  # with more a picture is a photo
REACH = 3  # pixels from its object to which an edge is soft
NEAR = 0.9  # share of an id's pixels that lie so near
SMALL = 0.05  # of its object, an id that is more than a line of pixels
COVERED = 0.2  # share of an object's outline; few ids that cover less are small objects beside it
MANY_SHADES = 5  # of one object: so many are no chance
CONTRAST = 32  # grey levels; closer colours (labels 1, 2 and 3 in grey) have no blends
STRAY = 10.0  # grey levels that rounding takes a blend away from the line between two colours


def id_counts(ids: NDArray[np.integer]) -> dict[int, int]:
    """Return how many pixels each id above 0 has, in rising order; `ids` is `H x W`."""
    found, index = _indexed(ids)
    counts = np.bincount(index.ravel(), minlength=len(found))
    return {int(i): int(count) for i, count in zip(found, counts, strict=True) if i}


def thin_ids(ids: NDArray[np.integer]) -> set[int]:
    """Return the ids above 0 of a map `H x W` that nowhere fill a square of 3 x 3 pixels."""
    found, index = _indexed(ids)
    return set(found[~_thick(index, len(found))].tolist()) - {0}


def blends(ids: NDArray[np.integer], colours: Mapping[int, Colour]) -> dict[int, int]:
    """Find the ids that are the soft edge of an object, and what each is nearer to.

    An id is part of a soft edge when its colour is a blend of its object's and what is behind, nearly
    all its pixels lie within `REACH` of them, it is thin or small beside the object, and all such ids
    together are many or line a good part of the outline. So an object of few pixels beside another
    one stays an object, whatever its colour.

    Args:
        ids: `H x W`, 0 is background.
        colours: of all ids, the background's included.

    Returns:
        For each id of a soft edge the id that it counts as, which may be 0.
    """
    found, index = _indexed(ids)
    objects = np.flatnonzero(found)
    if not 1 < len(objects) <= MOST_IDS:
        return {}
    counts = np.bincount(index.ravel(), minlength=len(found))
    values = np.array([colours[number] for number in found.tolist()], np.float64)
    thick = _thick(index, len(found))
    bodies = [int(i) for i in objects if thick[i]] or [int(objects[np.argmax(counts[objects])])]
    bodies.sort(key=lambda i: -counts[i])  # a shade goes to the largest object that it fits
    near = {i: _share_near(index, i, counts) for i in bodies}
    grounds = [(None, np.array(colours[0], np.float64)), *((i, values[i]) for i in bodies)]
    best = np.full(len(found), STRAY)  # distance from the line between two colours
    becomes: dict[int, int] = {}
    part_of: dict[int, int] = {}  # index of an id to that of the object whose edge it is
    for body in bodies:
        small = ~thick | (counts < SMALL * counts[body])
        for ground, behind in grounds:
            if ground == body or np.abs(values[body] - behind).max() < CONTRAST:
                continue
            share, stray = _on_line(values, behind, values[body])
            fits = small & (found != 0) & (near[body] >= NEAR) & (share > 0.02) & (share < 0.98)
            if ground is not None:
                fits &= near[ground] >= NEAR
            for i in np.flatnonzero(fits & (stray < best)).tolist():
                if i not in (body, ground):
                    other = 0 if ground is None else int(found[ground])
                    becomes[i] = int(found[body]) if share[i] >= 0.5 else other
                    best[i], part_of[i] = stray[i], body
    for body in set(part_of.values()):
        shades = [i for i, its in part_of.items() if its == body]
        if body in part_of or (len(shades) < MANY_SHADES and _covered(index, body, shades) < COVERED):
            for i in shades:
                del becomes[i]
    kept = set(found.tolist()) - {int(found[i]) for i in becomes}
    return {int(found[i]): target for i, target in becomes.items() if target in kept or target == 0}


def _indexed(ids: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.uint16]]:
    """Return the ids of a map `H x W` in rising order, and for each pixel the position of its own."""
    if ids.dtype == np.uint8:  # several times as fast as sorting
        found = np.flatnonzero(np.bincount(ids.ravel(), minlength=256))
        table = np.zeros(256, np.uint16)
        table[found] = np.arange(len(found))
        return found, table[ids]
    found, index = np.unique(ids, return_inverse=True)
    return found, index.reshape(ids.shape).astype(np.uint16)


def _thick(index: NDArray[np.uint16], count: int) -> NDArray[np.bool_]:
    """Return which of `count` ids fill a square of 3 x 3 pixels somewhere; `index` is `H x W`."""
    square = np.ones((3, 3), np.uint8)
    replicate = cv2.BORDER_REPLICATE
    flat = cv2.erode(index, square, borderType=replicate) == cv2.dilate(index, square, borderType=replicate)
    return np.bincount(index[flat], minlength=count) > 0


def _share_near(index: NDArray[np.uint16], body: int, counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the share of each id's pixels within `REACH` of an object."""
    around = cv2.dilate((index == body).astype(np.uint8), np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8))
    return np.bincount(index[around > 0], minlength=len(counts)) / counts


def _on_line(
    values: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where colours `N x 3` lie between two, 0 to 1, and how far from the line."""
    line = end - start
    share = (values - start) @ line / (line @ line)
    return share, np.linalg.norm(values - start - share[:, None] * line, axis=1)


def _covered(index: NDArray[np.uint16], body: int, shades: list[int]) -> float:
    """Return the share of an object's outline, a pixel wide around it, that some ids cover."""
    inside = (index == body).astype(np.uint8)
    outline = cv2.dilate(inside, np.ones((3, 3), np.uint8)) > inside
    return float(np.isin(index[outline], shades).mean()) if outline.any() else 0.0
