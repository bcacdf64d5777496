"""Masks from clicks or a box on one picture, by a promptable network: EfficientSAM, SAM or SAM 2."""

import hashlib
from collections.abc import Iterator
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from osam import types

from model.interactive.promptable import Mask, Picture, ask_model, extract_mask, load, prompting
from util.errors import InputError
from util.promptable import CLICK_MODEL

Points = NDArray[np.float64]  # N x 2
Kinds = NDArray[np.intp]  # N

NEGATIVE, POSITIVE, TOP_LEFT, BOTTOM_RIGHT = range(4)  # labels of points, as in osam
MOST_POINTS = 6  # points of one prompt; EfficientSAM ignores more
EMBEDDINGS = 16  # pictures whose embeddings are cached for further clicks


class PointSegmenter(Protocol):
    """Turns clicks and boxes into the mask of one object."""

    def segment(
        self, picture: Picture, points: ArrayLike, labels: ArrayLike, previous: Mask | None = None
    ) -> Mask:
        """Return the mask `H x W` of the object that points mark.

        Args:
            picture: RGB picture `H x W x 3`.
            points: points `N x 2`, (x, y) in pixels; pixel centres are whole numbers.
            labels: N labels: 1 on the object, 0 beside it, 2 and 3 for the top left and bottom right corner
                of a box around it. A box replaces the previous mask.
            previous: mask `H x W` that the clicks correct; None for a new mask.

        Raises:
            InputError: a click lies outside of the picture, or no click or box marks the object.
        """
        ...


class ClickSegmenter:
    """Segments by a promptable network; a `PointSegmenter`.

    Without a previous mask the result is the network's answer. To correct a previous mask, the network is
    asked three times: with the clicks alone, with the box around the previous mask, and with its innermost
    point. The best answer agrees with most clicks and, among equals, has the largest IoU with the previous
    mask. `corrected` then changes only the regions in which clicks lie.

    Args:
        name: name of a model of osam; missing weights are fetched.

    Raises:
        InputError: osam has no such model, or its weights cannot be fetched.
    """

    def __init__(self, name: str = CLICK_MODEL) -> None:
        self.network = load(name)
        self._embeddings: dict[bytes, types.ImageEmbedding] = {}  # embeddings by digest of the picture

    def segment(
        self, picture: Picture, points: ArrayLike, labels: ArrayLike, previous: Mask | None = None
    ) -> Mask:
        """Segment the object that points mark; see `PointSegmenter`."""
        at, kinds = check_prompt(picture, points, labels, previous)
        order = np.argsort(-np.minimum(kinds, TOP_LEFT), kind="stable")  # boxes, positive, negative clicks
        at, kinds = at[order], kinds[order]
        if previous is None or not previous.any() or (kinds > POSITIVE).any():
            previous = self._asked(picture, at[:MOST_POINTS], kinds[:MOST_POINTS])
            at, kinds = at[MOST_POINTS:], kinds[MOST_POINTS:]
        step = MOST_POINTS - 2  # the box takes two
        for first in range(0, len(at), step):
            some = slice(first, first + step)
            previous = self._corrected(picture, at[some], kinds[some], previous)
        return previous

    def _corrected(self, picture: Picture, at: Points, kinds: Kinds, previous: Mask) -> Mask:
        """Return the previous mask, corrected by the best of the network's answers."""

        def merit(found: Mask) -> tuple[int, float]:
            clicks = zip(_pixels(at), kinds, strict=True)
            agreeing = sum(found[pixel] == (kind == POSITIVE) for pixel, kind in clicks)
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
        found = [extract_mask(each, picture.shape[:2]) for each in ask_model(self.network, request)]
        return next((mask for mask in found if mask is not None), np.zeros(picture.shape[:2], bool))

    def _embedding(self, picture: Picture) -> types.ImageEmbedding:
        """Return the embedding of a picture, from the cache or the network."""
        key = hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).digest()
        if key not in self._embeddings:
            with prompting(self.network.name):
                embedding = self.network.encode_image(picture)
            if len(self._embeddings) == EMBEDDINGS:
                del self._embeddings[next(iter(self._embeddings))]  # the oldest
            self._embeddings[key] = embedding
        return self._embeddings[key]


def check_prompt(
    picture: Picture, points: ArrayLike, labels: ArrayLike, previous: Mask | None
) -> tuple[Points, Kinds]:
    """Return points `N x 2` and labels `N` as arrays; corners of boxes are clipped to the picture.

    Arguments and errors are those of `PointSegmenter.segment`.
    """
    at, kinds = np.asarray(points, np.float64).reshape(-1, 2), np.asarray(labels, np.intp).reshape(-1)
    height, width = picture.shape[:2]
    if len(at) != len(kinds) or not np.isin(kinds, (NEGATIVE, POSITIVE, TOP_LEFT, BOTTOM_RIGHT)).all():
        raise InputError(
            "each point needs a label: 1 on the object, 0 beside it, 2 and 3 for corners of a box."
        )
    if previous is not None and previous.shape != (height, width):
        raise InputError(f"the previous mask must have the picture's size, {width} x {height}.")
    inside = ((at > -0.5) & (at < (width - 0.5, height - 0.5))).all(axis=1)
    for x, y in at[~inside & (kinds <= POSITIVE)]:
        raise InputError(f"the click at {x:.0f}, {y:.0f} lies outside of the picture of {width} x {height}.")
    if not (kinds >= POSITIVE).any() and (previous is None or not previous.any()):
        raise InputError("all clicks are negative, and there is no mask yet: click on the object first.")
    return np.where((kinds > POSITIVE)[:, None], at.clip(0, (width - 1, height - 1)), at), kinds


def corrected(previous: Mask, found: Mask, points: Points, labels: Kinds) -> Mask:
    """Return the previous mask, changed only in the regions in which clicks lie.

    - A positive click beside the mask adds the region of `found` outside of the mask around the click.
    - A positive click on the mask adds the region of `found` around the click.
    - A negative click removes the region of the mask outside of `found` around the click, or, beside the
      mask, the region that a positive click would add.

    Args:
        previous: previous mask `H x W`.
        found: the network's answer, `H x W`.
        points: N clicks, `N x 2`.
        labels: N labels, 0 or 1.
    """
    result = previous.copy()
    for pixel in _pixels(points[labels == POSITIVE]):
        result |= _region(found if previous[pixel] else found & ~previous, pixel)
    for pixel in _pixels(points[labels == NEGATIVE]):
        result &= ~_region(previous & ~found if previous[pixel] else found & ~previous, pixel)
    return result


def _prompts(at: Points, kinds: Kinds, previous: Mask) -> Iterator[tuple[Points, Kinds]]:
    """Yield the prompts of a correction: clicks alone, with the mask's box, with its innermost point.

    The box is left out when a positive click lies outside of it.
    """
    if (kinds == POSITIVE).any():
        yield at, kinds
    if not previous.any():
        return
    rows, columns = np.nonzero(previous)
    corners = np.array([(columns.min(), rows.min()), (columns.max(), rows.max())], np.float64)
    added = at[kinds == POSITIVE]
    if ((added >= corners[0]) & (added <= corners[1])).all():
        yield np.concatenate([corners, at]), np.concatenate([[TOP_LEFT, BOTTOM_RIGHT], kinds])
    free = np.pad(previous, 1).astype(np.uint8)
    for row, column in _pixels(at[kinds == NEGATIVE]):
        free[row + 1, column + 1] = 0
    depth = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    if depth[row, column] > 0:
        yield np.concatenate([[(column, row)], at]), np.concatenate([[POSITIVE], kinds])


def _pixels(points: Points) -> list[tuple[int, int]]:
    """Return the rows and columns of points (x, y)."""
    return [(int(y), int(x)) for x, y in np.rint(points)]


def _region(mask: Mask, pixel: tuple[int, int]) -> Mask:
    """Return the connected region of a mask around a pixel; empty for a pixel outside of the mask."""
    regions = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[1]
    return mask & (regions == regions[pixel])
