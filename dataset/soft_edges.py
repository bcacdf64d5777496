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
MOST_BODIES = 32  # the largest objects, which are looked at
REACH = 12  # pixels from its object to which an edge may be soft
NEAR = 0.9  # share of an id's pixels that lie so near, and hang together with the object
SMALL = 0.05  # of its object, an id that is more than a line of pixels
COVERED = 0.5  # share of an object's outline; few ids that cover less are small objects beside it
MANY_SHADES = 5  # of one object: so many are no chance
FEW_LEFT = 3  # ids beside a soft edge, where no object is thick enough to be sure of one
CONTRAST = 32  # grey levels; closer colours (labels 1, 2 and 3 in grey) have no blends
STRAY = 10.0  # grey levels that rounding takes a blend away from what lies between the colours
PURE = 0.998  # share of one colour, from which on it is no blend


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
    """Find the ids that are the soft edge of an object, and what each is nearest to.

    An id is part of a soft edge when its colour is a blend of its object's and what is behind, nearly
    all its pixels hang together with the object and lie within `REACH` of it, it is thin or small
    beside the object, and all such ids together are many or line a good part of the outline. So an
    object of few pixels beside another one stays an object, whatever its colour. Where there is a soft
    edge of many shades, thin ids of nearly an object's or the background's colour belong to it, too.

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
    empty = np.array(colours[0], np.float64)
    thick = _thick(index, len(found))
    bodies = [int(i) for i in objects if thick[i]] or [_clearest(values, empty, counts, objects)]
    bodies = sorted(bodies, key=lambda i: -counts[i])[
        :MOST_BODIES
    ]  # a shade goes to the largest that it fits
    near = {i: _around(index, i) for i in bodies}
    best = np.full(len(found), STRAY)  # distance of each id from what lies between the colours
    becomes: dict[int, int] = {}  # positions in `found`; -1 is background
    part_of: dict[int, int] = {}
    for body in bodies:
        small = (~thick | (counts < SMALL * counts[body])) & (found != 0)
        small &= _share_in(near[body], index, counts) >= NEAR
        small[body] = False
        for ground in (-1, *bodies):
            if ground == body or not small.any():
                continue
            behind = empty if ground < 0 else values[ground]
            if np.abs(values[body] - behind).max() < CONTRAST:
                continue
            shares, stray = _mixture(values, empty, values[body], behind)
            fits = small & (stray < best) & (shares.max(axis=1) < PURE)
            if ground >= 0:
                fits[ground] = False
                fits &= _share_in(near[ground], index, counts) >= NEAR
            if fits.any():
                fits &= _share_in(near[body] & _connected(index, body, fits), index, counts) >= NEAR
            for i in np.flatnonzero(fits).tolist():
                becomes[i] = (-1, body, ground)[int(shares[i].argmax())]
                best[i], part_of[i] = stray[i], body
    for body in set(part_of.values()):
        shades = [i for i, its in part_of.items() if its == body]
        if body in part_of or (len(shades) < MANY_SHADES and _covered(index, body, shades) < COVERED):
            for i in shades:
                del becomes[i]
    if len(becomes) >= MANY_SHADES:  # then stray pixels of nearly the same colour are no objects either
        for i in objects[~thick[objects]].tolist():
            others = [(-1, empty), *((body, values[body]) for body in bodies if body != i)]
            target, distance = min(
                ((other, np.abs(values[i] - colour).max()) for other, colour in others),
                key=lambda each: each[1],
            )
            if i not in becomes and distance < CONTRAST:
                becomes[i] = target
    if not thick[objects].any() and len(objects) - len(becomes) > FEW_LEFT:
        return {}  # a gradient, lines: what was taken as the object is none
    return {
        int(found[i]): 0 if target < 0 else int(found[target])
        for i, target in becomes.items()
        if target not in becomes
    }


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


def _clearest(
    values: NDArray[np.float64],
    empty: NDArray[np.float64],
    counts: NDArray[np.integer],
    objects: NDArray[np.integer],
) -> int:
    """Return the largest of the objects that stand out from the background at least half as far as any."""
    contrast = np.abs(values[objects] - empty).max(axis=1)
    clear = objects[contrast >= contrast.max() / 2]
    return int(clear[np.argmax(counts[clear])])


def _around(index: NDArray[np.uint16], body: int) -> NDArray[np.bool_]:
    """Return the pixels within `REACH` of an object, `H x W`."""
    square = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    return cv2.dilate((index == body).astype(np.uint8), square) > 0


def _share_in(
    region: NDArray[np.bool_], index: NDArray[np.uint16], counts: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the share of each id's pixels in a region `H x W`."""
    return np.bincount(index[region], minlength=len(counts)) / counts


def _connected(index: NDArray[np.uint16], body: int, fits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of an object and of ids that hang together with it, `H x W`."""
    inside = index == body
    _, parts = cv2.connectedComponents((fits[index] | inside).astype(np.uint8), connectivity=8)
    return np.isin(parts, np.unique(parts[inside]))


def _mixture(
    values: NDArray[np.float64],
    empty: NDArray[np.float64],
    body: NDArray[np.float64],
    behind: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how colours `N x 3` are mixed of three, and how far they are from any mixture.

    Returns:
        The shares of `empty`, `body` and `behind`, `N x 3`, and the distance in grey levels, `N`.
    """
    sides = np.stack([body - empty, behind - empty], axis=1)
    if np.linalg.matrix_rank(sides, tol=CONTRAST / 2) == 2:
        weights = (values - empty) @ np.linalg.pinv(sides).T
        shares = np.concatenate([1 - weights.sum(axis=1, keepdims=True), weights], axis=1)
    else:  # three colours on a line, or two
        line = body - behind
        part = ((values - behind) @ line / (line @ line))[:, None]
        shares = np.concatenate([np.zeros_like(part), part, 1 - part], axis=1)
        if np.array_equal(empty, behind):
            shares = shares[:, [2, 1, 0]]
    shares = shares.clip(0, 1)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares, np.linalg.norm(values - shares @ np.stack([empty, body, behind]), axis=1)


def _covered(index: NDArray[np.uint16], body: int, shades: list[int]) -> float:
    """Return the share of an object's outline, a pixel wide around it, that some ids cover."""
    inside = (index == body).astype(np.uint8)
    outline = cv2.dilate(inside, np.ones((3, 3), np.uint8)) > inside
    return float(np.isin(index[outline], shades).mean()) if outline.any() else 0.0
