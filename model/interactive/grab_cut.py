"""Masks from scribbles or a box without weights, by OpenCV's GrabCut (Rother et al., SIGGRAPH 2004).

GrabCut separates by colour, so it also finds parts that only look alike. Two rules keep the user in control:
an object is searched only near its scribbles and its previous mask, and a scribble only changes what is
connected to it. Where object and background share their colours, a scribble finds little more than itself.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dataset.interactive.scribbles import NONE, split_scribbles
from model.aggregation import aggregate
from model.interactive.scribble_to_mask import Labels, check_previous, split_label_map

Mask = NDArray[np.bool_]  # H x W

WORKING_SIDE = 480  # longer side in pixels to which larger pictures are reduced
ITERATIONS = 5
REACH = 1.0  # margin around the known part in which an object is searched, relative to that part's size
SEED = 0  # seed of OpenCV's colour clustering, so that the same scribbles give the same mask


class GrabCutSegmenter:
    """Segments by GrabCut; a `ScribbleSegmenter`.

    An object without scribbles keeps its mask, except under scribbles of other objects. Pixels that several
    objects claim go to the object with the nearest scribble.

    Args:
        least_reach: smallest margin around the known part in which an object is searched, relative to the
            picture's shorter side. A click does not tell the object's size.
    """

    def __init__(self, least_reach: float = 0.0) -> None:
        self.least_reach = least_reach

    def segment(
        self, image: NDArray[np.uint8], scribbles: Labels, previous: Labels | None, labels: Sequence[int]
    ) -> Tensor:
        """Segment the objects of a frame; see `ScribbleSegmenter`."""
        previous = check_previous(image, scribbles, previous, labels)
        result = np.where(np.isin(previous, labels), previous, 0).astype(np.int32)
        nearest = np.full(result.shape, np.inf, np.float32)  # distance to the scribble of the pixel's object
        for label in labels:
            positive, negative = split_scribbles(scribbles, label)
            before = previous == label
            if positive.any() or (negative & before).any():
                open_to_it = [0, label, *np.unique(previous[positive])]
                negative |= np.isin(previous, labels) & ~np.isin(previous, open_to_it)
                reach = self.least_reach * min(image.shape[:2])
                mask = _changed_mask(image, positive, negative, before, reach)
                result[(result == label) & ~mask] = 0
                distance = _distance_to(positive)
                gained = mask & ((distance < nearest) | (result == 0))
                result[gained] = label
                nearest[gained] = distance[gained]
        result = np.where(scribbles != NONE, scribbles, result)
        return aggregate(split_label_map(result, labels), hard=True)


def segment_within(image: NDArray[np.uint8], inside: Mask) -> Mask:
    """Return the mask `H x W` of the object that lies within a part of an RGB picture `H x W x 3`."""
    outside = ~inside
    if inside.all():  # the picture's edge is background then
        outside[[0, -1]] = outside[:, [0, -1]] = True
    nothing, everywhere = np.zeros_like(inside), np.ones_like(inside)
    return _grab_cut(image, nothing, outside, probable=inside, window=everywhere) & inside


def _changed_mask(
    image: NDArray[np.uint8], positive: Mask, negative: Mask, before: Mask, least_reach: float
) -> Mask:
    """Return the mask of one object after a scribble on it; `least_reach` is in pixels."""
    window = _window(positive | before, least_reach)
    mask = (_grab_cut(image, positive, negative, before, window) | positive) & ~negative
    gained, lost = mask & ~before, before & ~mask
    return (before | _touching(gained, positive)) & ~_touching(lost, negative)


def _grab_cut(image: NDArray[np.uint8], positive: Mask, negative: Mask, probable: Mask, window: Mask) -> Mask:
    """Return GrabCut's mask of the object in an RGB picture `H x W x 3`.

    Positive pixels are object; negative pixels and those outside of the window are background. GrabCut
    decides the others by colour, starting from `probable`.
    """
    factor = min(1, WORKING_SIDE / max(image.shape))
    size = max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor))
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    marks = np.full(size, cv2.GC_PR_BGD, np.uint8)
    marks[_reduced(probable, size)] = cv2.GC_PR_FGD
    marks[~_reduced(window, size)] = cv2.GC_BGD
    marks[_reduced(negative, size, 0)] = cv2.GC_BGD
    marks[_reduced(positive, size, 0)] = cv2.GC_FGD
    is_object = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if is_object.any() and not is_object.all():  # otherwise there is nothing to separate
        cv2.setRNGSeed(SEED)
        models = np.zeros((1, 65)), np.zeros((1, 65))  # models of background and object in OpenCV's layout
        bgr = np.ascontiguousarray(small[:, :, ::-1])
        cv2.grabCut(bgr, marks, None, *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
        is_object = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))
    whole = cv2.resize(is_object.astype(np.float32), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return whole > 0.5


def _reduced(mask: Mask, size: tuple[int, int], least: float = 0.5) -> Mask:
    """Return a mask at a smaller size (h, w): pixels of which a share above `least` is covered."""
    return cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) > least


def _window(mask: Mask, least_reach: float) -> Mask:
    """Return the box around a mask, larger by `REACH` or more on each side; empty for an empty mask."""
    window = np.zeros_like(mask)
    rows, columns = np.nonzero(mask)
    if len(rows):
        reach = max(least_reach, REACH * (1 + max(np.ptp(rows), np.ptp(columns))))
        top, left = max(0, int(rows.min() - reach)), max(0, int(columns.min() - reach))
        window[top : int(rows.max() + reach) + 1, left : int(columns.max() + reach) + 1] = True
    return window


def _touching(mask: Mask, scribble: Mask) -> Mask:
    """Return the connected regions of a mask that a scribble touches."""
    regions = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[1]
    beside = cv2.dilate(scribble.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    touched = np.unique(regions[beside & mask])
    return np.isin(regions, touched) & mask


def _distance_to(mask: Mask) -> NDArray[np.float32]:
    """Return each pixel's distance to a mask, `H x W`; infinite for an empty mask."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
