"""From clicks or a box on one picture to a mask, by a promptable network: EfficientSAM, SAM or SAM 2."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from osam import types

from model.interactive.promptable import Mask, Picture, answers, load, mask_of, prompting
from util.errors import InputError
from util.promptable import CLICK_MODEL

Points = NDArray[np.float64]  # N x 2
Kinds = NDArray[np.intp]  # N

TAKES_AWAY, ADDS, TOP_LEFT, BOTTOM_RIGHT = range(4)  # labels of points, as osam has them
MOST_POINTS = 6  # of one prompt: EfficientSAM leaves out further ones
EMBEDDING_BYTES = 1 << 28  # of the last pictures, kept for further clicks


class PointSegmenter(Protocol):
    """Turns clicks and boxes into the mask of one object."""

    def segment(
        self, picture: Picture, points: ArrayLike, labels: ArrayLike, previous: Mask | None = None
    ) -> Mask:
        """Segment the object that points mark.

        Args:
            picture: RGB, `H x W x 3`.
            points: `N x 2`, (x, y) in pixels; a pixel's centre is a whole number.
            labels: N; 1 on the object, 0 beside it; 2 and 3 are the top left and the bottom right corner of
                a box around it, which begins anew.
            previous: mask so far, `H x W`, which the clicks correct; None when there is none.

        Returns:
            `H x W`.

        Raises:
            InputError: a click lies outside of the picture, or nothing says where the object is.
        """
        ...


class ClickSegmenter:
    """Segments by a promptable network, a `PointSegmenter`.

    Without a previous mask the result is the network's answer. A previous mask is kept outside of what the
    clicks say: of three answers (to the clicks alone, to them and the box around the previous mask, to them
    and the point deepest inside of it) the one counts that agrees with most clicks and, among such, overlaps
    most with the previous mask; of it, `corrected` takes only the regions in which clicks lie.

    Args:
        name: a model of osam; its weights are fetched when they are not in osam's cache.

    Raises:
        InputError: osam has no such model, or its weights cannot be fetched.
    """

    def __init__(self, name: str = CLICK_MODEL) -> None:
        self.network = load(name)
        self._embeddings: OrderedDict[bytes, types.ImageEmbedding] = OrderedDict()

    def segment(
        self, picture: Picture, points: ArrayLike, labels: ArrayLike, previous: Mask | None = None
    ) -> Mask:
        """Segment the object that points mark; see `PointSegmenter`."""
        at, kinds = checked_prompt(picture, points, labels, previous)
        order = np.argsort(-np.minimum(kinds, TOP_LEFT), kind="stable")  # boxes, what adds, what takes away
        at, kinds = at[order], kinds[order]
        if previous is None or not previous.any() or (kinds > ADDS).any():
            previous = self._asked(picture, at[:MOST_POINTS], kinds[:MOST_POINTS])
            at, kinds = at[MOST_POINTS:], kinds[MOST_POINTS:]
        step = MOST_POINTS - 2  # the box takes two
        for first in range(0, len(at), step):
            some = slice(first, first + step)
            previous = self._corrected(picture, at[some], kinds[some], previous)
        return previous

    def _corrected(self, picture: Picture, at: Points, kinds: Kinds, previous: Mask) -> Mask:
        """Return the previous mask with the regions changed that clicks are about."""

        def merit(found: Mask) -> tuple[int, float]:
            agreeing = sum(
                found[pixel] == (kind == ADDS) for pixel, kind in zip(_pixels(at), kinds, strict=True)
            )
            return agreeing, (found & previous).sum() / max(1, (found | previous).sum())

        prompts = _prompts(at, kinds, previous)
        best = max((self._asked(picture, *prompt) for prompt in prompts), key=merit, default=previous)
        return corrected(previous, best, at, kinds)

    def _asked(self, picture: Picture, at: Points, kinds: Kinds) -> Mask:
        """Return the network's answer to a prompt."""
        request = types.GenerateRequest(
            model=self.network.name,
            image_embedding=self._embedding(picture),
            prompt=types.Prompt(points=at, point_labels=kinds),
        )
        found = [mask_of(each, picture.shape[:2]) for each in answers(self.network, request)]
        return next((mask for mask in found if mask is not None), np.zeros(picture.shape[:2], bool))

    def _embedding(self, picture: Picture) -> types.ImageEmbedding:
        """Return what the network computes once a picture."""
        key = hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).digest()
        if key not in self._embeddings:
            with prompting(self.network.name):
                self._embeddings[key] = self.network.encode_image(picture)
        self._embeddings.move_to_end(key)
        while len(self._embeddings) > 1 and sum(map(_bytes_of, self._embeddings.values())) > EMBEDDING_BYTES:
            self._embeddings.popitem(last=False)
        return self._embeddings[key]


def checked_prompt(
    picture: Picture, points: ArrayLike, labels: ArrayLike, previous: Mask | None
) -> tuple[Points, Kinds]:
    """Return points and labels as arrays; corners of boxes are brought into the picture.

    Raises:
        InputError: see `PointSegmenter.segment`.
    """
    at, kinds = np.asarray(points, np.float64).reshape(-1, 2), np.asarray(labels, np.intp).reshape(-1)
    height, width = picture.shape[:2]
    if len(at) != len(kinds) or not np.isin(kinds, (TAKES_AWAY, ADDS, TOP_LEFT, BOTTOM_RIGHT)).all():
        raise InputError(
            "each point needs a label: 1 on the object, 0 beside it, 2 and 3 for corners of a box."
        )
    if previous is not None and previous.shape != (height, width):
        raise InputError(f"the previous mask must have the picture's size, {width} x {height}.")
    inside = ((at > -0.5) & (at < (width - 0.5, height - 0.5))).all(axis=1)
    for x, y in at[~inside & (kinds <= ADDS)]:
        raise InputError(f"the click at {x:.0f}, {y:.0f} lies outside of the picture of {width} x {height}.")
    if not (kinds >= ADDS).any() and (previous is None or not previous.any()):
        raise InputError("all clicks take away, and there is no mask yet: click on the object first.")
    return np.where((kinds > ADDS)[:, None], at.clip(0, (width - 1, height - 1)), at), kinds


def corrected(previous: Mask, found: Mask, points: Points, labels: Kinds) -> Mask:
    """Return the previous mask with the regions changed that clicks are about.

    - A click that adds, beside the mask: the region around it that was found and that the mask lacks.
    - A click that adds, on the mask: all of what was found that is connected with it.
    - A click that takes away: the region around it that was not found, or that another click would add.

    Args:
        previous: `H x W`.
        found: what the network makes of the clicks, `H x W`.
        points: `N x 2`.
        labels: N, 0 or 1.
    """
    result = previous.copy()
    for adds in (True, False):
        for pixel, label in zip(_pixels(points), labels, strict=True):
            if adds and label == ADDS:
                result |= _region(found if previous[pixel] else found & ~previous, pixel)
            elif not adds and label == TAKES_AWAY:
                result &= ~_region(previous & ~found if previous[pixel] else found & ~previous, pixel)
    return result


def _prompts(at: Points, kinds: Kinds, previous: Mask) -> Iterator[tuple[Points, Kinds]]:
    """Yield the prompts of a correction: clicks alone, with the mask's box, with its deepest point.

    The box is left out where clicks add beyond it.
    """
    if (kinds == ADDS).any():
        yield at, kinds
    if not previous.any():
        return
    rows, columns = np.nonzero(previous)
    corners = np.array([(columns.min(), rows.min()), (columns.max(), rows.max())], np.float64)
    added = at[kinds == ADDS]
    if ((added >= corners[0]) & (added <= corners[1])).all():
        yield np.concatenate([corners, at]), np.concatenate([[TOP_LEFT, BOTTOM_RIGHT], kinds])
    free = np.pad(previous, 1).astype(np.uint8)
    for row, column in _pixels(at[kinds == TAKES_AWAY]):
        free[row + 1, column + 1] = 0
    depth = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    if depth[row, column] > 0:
        yield np.concatenate([[(column, row)], at]), np.concatenate([[ADDS], kinds])


def _pixels(points: Points) -> list[tuple[int, int]]:
    """Return the rows and columns of points (x, y)."""
    return [(int(y), int(x)) for x, y in np.rint(points)]


def _region(mask: Mask, pixel: tuple[int, int]) -> Mask:
    """Return the connected region of a mask that holds a pixel; empty when the mask does not hold it."""
    regions = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[1]
    return mask & (regions == regions[pixel])


def _bytes_of(embedding: types.ImageEmbedding) -> int:
    return sum(each.nbytes for each in (embedding.embedding, *embedding.extra_features))
