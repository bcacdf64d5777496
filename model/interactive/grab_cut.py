"""Masks from scribbles or a box without weights, by OpenCV's GrabCut (Rother et al., SIGGRAPH 2004).

GrabCut separates by colour, so it also finds parts that only look alike. Two rules keep the user in control:
an object is searched only near its scribbles and its previous mask, and a scribble only changes what is
connected to it. Where object and background share their colours, GrabCut finds no more than the scribble
itself; there scikit-image's random walker (Grady, PAMI 2006), which follows edges, is used.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import random_walker
from torch import Tensor

from dataset.interactive.scribbles import NONE, sides
from model.aggregation import aggregate
from model.interactive.scribble_to_mask import Labels, checked_previous, masks_of
from util.errors import InputError

Mask = NDArray[np.bool_]  # H x W

WORKING_SIDE = 480  # longer side in pixels to which larger pictures are reduced
ITERATIONS = 5
REACH = 1.0  # margin around the known part in which an object is searched, relative to that part's size
STUCK = 2  # GrabCut found nothing if it changed fewer than this many pixels per contradicting scribble pixel
EDGE_WEIGHT = 1000.0  # of the random walker; a larger one avoids colour edges more
UNSURE = 0.1  # uncertain margin of the previous mask, relative to the square root of its area
UNSURE_NEAR_SCRIBBLE = 0.5  # uncertain margin around contradicting scribbles
SEED = 0  # of OpenCV's colour clustering, so that the same scribbles give the same mask


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
        previous = checked_previous(image, scribbles, previous, labels)
        result = np.where(np.isin(previous, labels), previous, 0).astype(np.int32)
        nearest = np.full(result.shape, np.inf, np.float32)  # distance to the scribble of the pixel's object
        for label in labels:
            positive, negative = sides(scribbles, label)
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
        return aggregate(masks_of(result, labels), hard=True)


def mask_in_box(image: NDArray[np.uint8], box: tuple[int, int, int, int]) -> Mask:
    """Return the mask `H x W` of the object in a box; raise InputError for an empty box.

    Args:
        image: RGB picture `H x W x 3`.
        box: left, top, right and bottom in pixels, the last two exclusive; it is clipped to the picture.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = box
    inside = np.zeros((height, width), bool)
    inside[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    if not inside.any():
        raise InputError(
            f"the box {box} holds no pixel of a picture of {width} x {height}: draw another one."
        )
    outside = ~inside
    if inside.all():  # the picture's edge is background then
        outside[[0, -1]] = outside[:, [0, -1]] = True
    nothing = np.zeros_like(inside)
    found = _grab_cut(image, nothing, outside, probable=inside, window=np.ones_like(inside))
    return found & inside


def _changed_mask(
    image: NDArray[np.uint8], positive: Mask, negative: Mask, before: Mask, least_reach: float
) -> Mask:
    """Return the mask of one object after a scribble on it; `least_reach` is in pixels."""
    contradicted = (positive & ~before) | (negative & before)
    asked = _enlarged(_at_places(contradicted, _working_size(before.shape)), before.shape).sum()
    window = _window(positive | before, least_reach)
    after = before
    for separate in (_grab_cut, _random_walk):
        mask = (separate(image, positive, negative, before, window) | positive) & ~negative
        gained, lost = mask & ~before, before & ~mask
        after = (before | _touching(gained, positive)) & ~_touching(lost, negative)
        if (after != before).sum() >= STUCK * asked:
            break
    return after


def _grab_cut(image: NDArray[np.uint8], positive: Mask, negative: Mask, probable: Mask, window: Mask) -> Mask:
    """Return GrabCut's mask of the object in an RGB picture `H x W x 3`.

    Positive pixels are object; negative pixels and those outside of the window are background. GrabCut
    decides the others by colour, starting from `probable`.
    """
    size = _working_size(image.shape[:2])
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    marks = np.full(size, cv2.GC_PR_BGD, np.uint8)
    marks[_reduced(probable, size)] = cv2.GC_PR_FGD
    marks[~_reduced(window, size)] = cv2.GC_BGD
    marks[_places_of(negative, size)] = cv2.GC_BGD
    marks[_places_of(positive, size)] = cv2.GC_FGD
    is_object = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if is_object.any() and not is_object.all():  # otherwise there is nothing to separate
        cv2.setRNGSeed(SEED)
        models = np.zeros((1, 65)), np.zeros((1, 65))  # of background and object, in OpenCV's layout
        bgr = np.ascontiguousarray(small[:, :, ::-1])
        cv2.grabCut(bgr, marks, None, *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
        is_object = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))
    return _enlarged(is_object, image.shape[:2])


def _random_walk(
    image: NDArray[np.uint8], positive: Mask, negative: Mask, probable: Mask, window: Mask
) -> Mask:
    """Return the random walker's mask of the object; arguments as in `_grab_cut`."""
    size = _working_size(image.shape[:2])
    sure_object, sure_background = _sure_parts(_reduced(probable, size), positive, negative)
    starts = np.zeros(size, np.int32)  # 1 is object, 2 is background, 0 is unknown
    starts[sure_background] = 2
    starts[sure_object] = 1
    starts[~_reduced(window, size)] = 2
    starts[[0, -1]] = starts[:, [0, -1]] = 2  # the picture's edge, when the window is the whole picture
    starts[_places_of(negative, size)] = 2
    starts[_places_of(positive, size)] = 1
    if starts.all() or len(np.unique(starts)) < 3:  # nothing is unknown, or one side has no start
        is_object = starts == 1
    else:
        small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
        colours = cv2.cvtColor(small, cv2.COLOR_RGB2LAB) / 255
        is_object = random_walker(colours, starts, EDGE_WEIGHT, mode="cg_j", channel_axis=-1) == 1
    return _enlarged(is_object, image.shape[:2])


def _sure_parts(probable: Mask, positive: Mask, negative: Mask) -> tuple[Mask, Mask]:
    """Return certain object and certain background, by the previous mask (reduced) and its scribbles."""
    if not probable.any():
        return probable, probable
    extent = np.sqrt(probable.sum())
    near_positive, near_negative = (
        _distance_to(_at_places(mask, probable.shape)) <= UNSURE_NEAR_SCRIBBLE * extent
        for mask in (positive & ~_enlarged(probable, positive.shape), negative)
    )
    inner, outer = _distance_to(~probable) > UNSURE * extent, _distance_to(probable) > UNSURE * extent
    return inner & ~near_negative, outer & ~near_positive


def _working_size(size: tuple[int, ...]) -> tuple[int, int]:
    """Return the (h, w) to which a picture is reduced."""
    factor = min(1, WORKING_SIDE / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _reduced(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return a mask at another size (h, w)."""
    return cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) > 0.5


def _enlarged(mask: Mask, size: tuple[int, ...]) -> Mask:
    """Return a mask at the size (h, w) of the picture, with smooth edges."""
    return cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR) > 0.5


def _at_places(mask: Mask, size: tuple[int, ...]) -> Mask:
    """Return a reduced mask that keeps thin lines."""
    result = np.zeros(size, bool)
    result[_places_of(mask, size)] = True
    return result


def _places_of(mask: Mask, size: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of a mask's pixels on a grid of another size, keeping thin lines."""
    rows, columns = np.nonzero(mask)
    return rows * size[0] // mask.shape[0], columns * size[1] // mask.shape[1]


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
