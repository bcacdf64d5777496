"""From clicks or a box on one picture to a mask, without weights of a promptable network."""

import numpy as np
from numpy.typing import ArrayLike

from dataset.interactive.scribbles import draw_stroke, no_scribbles
from model.interactive.clicks import (
    ADDS,
    BOTTOM_RIGHT,
    TOP_LEFT,
    ClickSegmenter,
    PointSegmenter,
    checked_prompt,
)
from model.interactive.grab_cut import GrabCutSegmenter, mask_in_box
from model.interactive.promptable import Mask, Picture
from model.interactive.scribble_to_mask import ScribbleSegmenter
from util.promptable import GRAB_CUT

DOT = 0.02  # width of a click among scribbles, in shares of the shorter side
REACH = 0.6  # how far around clicks GrabCut looks for the object, as a part of the shorter side


class ScribbledClicks:
    """Segments by a segmenter of scribbles, to which a click is a dot; a `PointSegmenter`.

    A box is answered by GrabCut.

    Args:
        segmenter: takes the scribbles.
    """

    def __init__(self, segmenter: ScribbleSegmenter) -> None:
        self.segmenter = segmenter

    def segment(
        self, picture: Picture, points: ArrayLike, labels: ArrayLike, previous: Mask | None = None
    ) -> Mask:
        """Segment the object that points mark; see `PointSegmenter`."""
        at, kinds = checked_prompt(picture, points, labels, previous)
        size = picture.shape[:2]
        mask = np.zeros(size, bool) if previous is None else previous
        if (kinds > ADDS).any():
            (left, top), (right, bottom) = (
                np.ceil(at[kinds == TOP_LEFT][0]),
                np.floor(at[kinds == BOTTOM_RIGHT][0]),
            )
            mask = mask_in_box(picture, (int(left), int(top), int(right) + 1, int(bottom) + 1))
        strokes, width = no_scribbles(size), max(3, round(DOT * min(size)))
        for point, kind in zip(at, kinds, strict=True):
            if kind <= ADDS:
                draw_stroke(strokes, [point], int(kind), width)
        prob = self.segmenter.segment(picture, strokes, mask.astype(np.uint8), [1])
        return prob.argmax(dim=0).cpu().numpy() == 1


def point_segmenter(name: str) -> PointSegmenter:
    """Return what answers clicks: a model of osam, or GrabCut where that is named."""
    return ScribbledClicks(GrabCutSegmenter(REACH)) if name == GRAB_CUT else ClickSegmenter(name)
