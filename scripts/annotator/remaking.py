"""Edits that remake whole masks of a frame or a range: copies, moves and changes of edges."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scripts.annotator.masks import Labels, replaced

Mask = NDArray[np.bool_]  # H x W


def remade(
    edit: Mapping[str, Any],
    label_map: Callable[[int], Labels],
    labels: Sequence[int],
    locked: Collection[int],
) -> Iterator[tuple[int, Labels]]:
    """Yield the frames that an edit changes, and their new labels `H x W`.

    Args:
        edit: of a kind in `edits.REMAKES`.
        label_map: returns a frame's labels `H x W` before the edit.
        labels: of the objects that are edited.
        locked: labels of objects that nothing changes.
    """
    source = label_map(edit["source"]) if edit["kind"] == "copy" else None
    for frame in range(edit["first"], edit["last"] + 1):
        old = label_map(frame)
        if source is not None:
            new = replaced(old, np.where(np.isin(source, labels), source, np.uint8(0)), labels, locked)
        elif edit["kind"] == "move":
            new = replaced(old, _all_moved(old, labels, edit), labels, locked)
        else:
            new = refined(old, labels, REFINEMENTS[edit["how"]], edit["amount"])
        if not np.array_equal(old, new):
            yield frame, new


def _all_moved(old: Labels, labels: Sequence[int], edit: Mapping[str, Any]) -> Labels:
    new, middle = np.zeros_like(old), _middle(np.isin(old, labels))
    for label in labels:
        new[moved(old == label, middle, edit["dx"], edit["dy"], edit["scale"])] = label
    return new


def _middle(mask: Mask) -> tuple[float, float]:
    """Return the middle (x, y) of the bounding box of a mask `H x W`."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return left + width / 2, top + height / 2


def moved(mask: Mask, middle: tuple[float, float], dx: float, dy: float, scale: float) -> Mask:
    """Return a mask that is scaled about a position, then shifted.

    Args:
        mask: `H x W`.
        middle: the position (x, y); see `shapes.py`.
        dx: pixels to the right.
        dy: pixels down.
        scale: factor.
    """
    shift = (np.array(middle) - 0.5) * (1 - scale) + (dx, dy)  # OpenCV's pixel centres are whole numbers
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    soft = cv2.warpAffine(mask.astype(np.float32), matrix, mask.shape[::-1], flags=cv2.INTER_LINEAR)
    return np.asarray(soft) > 0.5


def refined(labels: Labels, objects: Sequence[int], how: Callable[[Mask, int], Mask], amount: int) -> Labels:
    """Change the outlines of objects; what grows takes background alone, never pixels of other objects."""
    new = labels.copy()
    for label in objects:
        before = new == label
        if before.any():
            after = how(before, amount)
            new[before & ~after] = 0
            new[after & (new == 0)] = label
    return new


def grown(mask: Mask, radius: int) -> Mask:
    """Return the pixels at most `radius` away from a mask `H x W`."""
    return _away(~mask) <= radius


def shrunk(mask: Mask, radius: int) -> Mask:
    """Return the pixels of a mask `H x W` more than `radius` away from what is not in it."""
    return _away(mask) > radius


def smoothed(mask: Mask, radius: int) -> Mask:
    """Return a mask `H x W` whose pixels have most of a blurred neighbourhood in it."""
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), radius, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred) > 0.5


def without_holes(mask: Mask, pixels: int) -> Mask:
    """Fill holes of a mask `H x W` of at most this many pixels, except what reaches the picture's edge."""
    outside = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= pixels
    small[[0, parts[0, 0]]] = False  # the mask itself, and what surrounds it
    return mask | small[parts[1:-1, 1:-1]] if count > 1 else mask


def without_specks(mask: Mask, pixels: int) -> Mask:
    """Remove pieces of at most this many pixels from a mask `H x W` with some; the largest stays."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.concatenate([[False], areas > pixels])
    kept[1 + int(areas.argmax())] = True
    return kept[parts]


def _away(mask: Mask) -> NDArray[np.float32]:
    """Return how far each pixel of a mask `H x W` is from the nearest one that is not in it."""
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


REFINEMENTS: dict[str, Callable[[Mask, int], Mask]] = {
    "grow": grown,
    "shrink": shrunk,
    "smooth": smoothed,
    "holes": without_holes,
    "specks": without_specks,
}
