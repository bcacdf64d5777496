"""Masks from clicks or a box on one picture, without the weights of a promptable network."""

import numpy as np
from numpy.typing import ArrayLike

from dataset.interactive.scribbles import draw_stroke, no_scribbles
from model.interactive.clicks import (
    BOTTOM_RIGHT,
    POSITIVE,
    TOP_LEFT,
    ClickSegmenter,
    PointSegmenter,
    check_prompt,
)
from model.interactive.grab_cut import GrabCutSegmenter, segment_within
from model.interactive.promptable import Mask, Picture
from model.interactive.scribble_to_mask import ScribbleSegmenter
from util.errors import InputError
from util.promptable import GRAB_CUT

DOT = 0.02  # width of a click as a scribble, relative to the shorter side
REACH = 0.6  # margin around clicks in which GrabCut searches the object, relative to the shorter side


class ScribbledClicks:
    """Segments clicks as dots by a segmenter of scribbles, and boxes by GrabCut; a `PointSegmenter`."""

    def __init__(self, segmenter: ScribbleSegmenter) -> None:
        self.segmenter = segmenter

    def segment(
        self, picture: Picture, points: ArrayLike, labels: ArrayLike, previous: Mask | None = None
    ) -> Mask:
        """Segment the object that points mark; see `PointSegmenter`."""
        at, kinds = check_prompt(picture, points, labels, previous)
        size = picture.shape[:2]
        mask = np.zeros(size, bool) if previous is None else previous
        if (kinds > POSITIVE).any():
            left, top = np.ceil(at[kinds == TOP_LEFT][0]).astype(int).tolist()
            right, bottom = np.floor(at[kinds == BOTTOM_RIGHT][0]).astype(int).tolist()
            inside = np.zeros(size, bool)
            inside[top : bottom + 1, left : right + 1] = True
            if not inside.any():
                raise InputError("the box holds no pixel: draw another one.")
            mask = segment_within(picture, inside)
        strokes, width = no_scribbles(size), max(3, round(DOT * min(size)))
        for point, kind in zip(at, kinds, strict=True):
            if kind <= POSITIVE:
                draw_stroke(strokes, [point], int(kind), width)
        prob = self.segmenter.segment(picture, strokes, mask.astype(np.uint8), [1])
        return prob.argmax(dim=0).cpu().numpy() == 1


def point_segmenter(name: str) -> PointSegmenter:
    """Return the segmenter of clicks with a name: a model of osam, or GrabCut."""
    return ScribbledClicks(GrabCutSegmenter(REACH)) if name == GRAB_CUT else ClickSegmenter(name)
