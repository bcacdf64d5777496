"""Soft edges: pixels that drawing programs blend along an outline, whose shades would each be an object."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

MANY = 4  # with fewer thin ids in a mask, they are small objects
MOST_BODIES = 256  # a picture with more is no mask
SQUARE = np.ones((3, 3), np.uint8)


def id_counts(ids: NDArray[np.integer]) -> dict[int, int]:
    """Return the number of pixels of each id above 0 in a map `H x W`, by rising id."""
    found, index = _indexed(ids)
    counts = np.bincount(index.ravel(), minlength=len(found))
    return {int(i): int(count) for i, count in zip(found, counts, strict=True) if i}


def thin_ids(ids: NDArray[np.integer]) -> set[int]:
    """Return the ids above 0 of a map `H x W` that fill no square of 3 x 3 pixels."""
    found, index = _indexed(ids)
    return set(found[~_fills_square(index, len(found))].tolist()) - {0}


def without_soft_edges(ids: NDArray[np.integer], colours: Mapping[int, int]) -> NDArray[np.integer]:
    """Replace each pixel of a soft edge by the neighbouring id nearest in colour.

    A soft edge is a connected group of pixels of thin ids (see `thin_ids`) that touches an object of another
    id. All such groups together must have at least `MANY` ids.

    Args:
        ids: mask `H x W`, 0 is background.
        colours: packed colour of each id and of the background.

    Returns:
        The mask `H x W`; `ids` itself without soft edges.
    """
    found, index = _indexed(ids)
    thin = ~_fills_square(index, len(found)) & (found > 0)
    bodies = np.flatnonzero(~thin)
    if np.count_nonzero(thin) < MANY or len(bodies) > MOST_BODIES:
        return ids
    edge = thin[index]
    _, groups = cv2.connectedComponents(edge.astype(np.uint8), connectivity=8)
    packed = np.array([colours[number] for number in found.tolist()])
    values = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1).astype(np.int32)
    group, shade = groups[edge], values[index[edge]]
    best = np.full(len(group), np.iinfo(np.int32).max)
    nearest = ids[edge]
    beside_object = np.zeros(len(group), bool)
    for body in bodies:
        around = cv2.dilate((index == body).astype(np.uint8), SQUARE) > 0
        touched = np.isin(group, np.unique(groups[around & edge]))
        distance = np.square(shade - values[body]).sum(axis=1)
        closer = touched & (distance < best)
        best[closer], nearest[closer] = distance[closer], found[body]
        beside_object |= touched & (found[body] > 0)
    if len(np.unique(index[edge][beside_object])) < MANY:
        return ids
    settled = ids.copy()
    settled[edge] = np.where(beside_object, nearest, ids[edge])
    return settled


def _indexed(ids: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.uint16]]:
    """Return the sorted ids of a map `H x W`, and each pixel's position among them."""
    if ids.dtype == np.uint8:  # several times as fast as sorting
        found = np.flatnonzero(np.bincount(ids.ravel(), minlength=256))
        table = np.zeros(256, np.uint16)
        table[found] = np.arange(len(found))
        return found, table[ids]
    found, index = np.unique(ids, return_inverse=True)
    return found, index.reshape(ids.shape).astype(np.uint16)


def _fills_square(index: NDArray[np.uint16], count: int) -> NDArray[np.bool_]:
    """Return for each of `count` ids whether it fills a square of 3 x 3 pixels; `index` is `H x W`."""
    replicate = cv2.BORDER_REPLICATE
    flat = cv2.erode(index, SQUARE, borderType=replicate) == cv2.dilate(index, SQUARE, borderType=replicate)
    return np.bincount(index[flat], minlength=count) > 0
