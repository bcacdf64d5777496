"""Segmenting frames by scribbles, clicks, boxes and words, in the computing process."""

from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.interactive.scribbles import draw_stroke, no_scribbles
from dataset.video import working_size
from model import load_s2m
from model.interactive.clicks import ClickSegmenter, PointSegmenter
from model.interactive.grab_cut import GrabCutSegmenter
from model.interactive.scribble_to_mask import S2MSegmenter, ScribbleSegmenter
from model.interactive.scribbled_clicks import REACH, ScribbledClicks
from model.interactive.words import WordFinder
from scripts.annotator.pictures import Pictures
from scripts.annotator.settings import WorkerSettings

SHORT_SIDE = 480  # frames are reduced to it; larger ones take longer and are not better

Picture = NDArray[np.uint8]  # H x W x 3
Mask = NDArray[np.bool_]  # H x W


class Segmenters:
    """Segments frames in the computing process."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.pictures = Pictures(settings.video)
        self._grab_cut = GrabCutSegmenter()
        self._clicked_grab_cut = GrabCutSegmenter(REACH)
        how = settings.computing(working_size(self.pictures.size, SHORT_SIDE))
        # by path and time of the last change: a file that has changed is read again
        self._load = lru_cache(1)(lambda path, changed: S2MSegmenter(load_s2m(path, *how)))
        self._click_segmenter = cache(lambda: ClickSegmenter(settings.click_model))
        self._finder: WordFinder | None = None

    def run(self, request: dict[str, Any]) -> Iterator[tuple[str, Mask]]:
        """Yield ("mask", `H x W`) for each object found on "frame".

        Args:
            request: its "kind" says the rest:

                - "segment": one object by scribbles. "strokes" are pairs of points (x, y) and a label, 0 for
                  background; "old" is the label map so far, "label" the object's.
                - "click": one object by "points", "labels" and "previous", see `PointSegmenter`.
                - "find": what "word" names, beside "taken", see `WordFinder`.

                "weights" is the file of S2M, None for GrabCut; "network" tells whether the promptable network
                may be used, else the segmenter of scribbles answers clicks, too.
        """
        picture = self.pictures.read(request["frame"])
        if request["kind"] == "segment":
            yield "mask", self._by_scribbles(picture, request)
        elif request["kind"] == "click" and request["network"]:
            prompt = request["points"], request["labels"], request["previous"]
            yield "mask", self._click_segmenter().segment(picture, *prompt)
        elif request["kind"] == "click":
            yield "mask", self._by_dots(picture, request)
        else:
            by_scribbles: PointSegmenter = ScribbledClicks(self._clicked_grab_cut)
            masks = self._click_segmenter() if request["network"] else by_scribbles
            self._finder = self._finder or WordFinder(masks, self.settings.find_model)
            self._finder.segmenter = masks  # the network may have come since
            for mask in self._finder.find(picture, request["word"], request["taken"]):
                yield "mask", mask

    def _by_scribbles(self, picture: Picture, request: dict[str, Any]) -> Mask:
        old, label = request["old"], request["label"]
        small, scale = _reduced(picture)
        scribbles = no_scribbles(small.shape[:2])
        for points, of in request["strokes"]:
            draw_stroke(scribbles, np.array(points) * scale - 0.5, of)  # pixel centres: n + 0.5, to n
        previous = np.asarray(cv2.resize(old, small.shape[1::-1], interpolation=cv2.INTER_NEAREST))
        labels = sorted({*np.unique(previous).tolist(), *np.unique(scribbles).tolist(), label} - {-1, 0})
        prob = self._segmenter(request["weights"]).segment(small, scribbles, previous, labels)
        return enlarged(prob.argmax(dim=0).numpy() == labels.index(label) + 1, old.shape)

    def _by_dots(self, picture: Picture, request: dict[str, Any]) -> Mask:
        """Answer clicks on a reduced picture; the previous mask keeps its pixels where nothing changes."""
        small, scale = _reduced(picture)
        points = (np.array(request["points"]) + 0.5) * scale - 0.5
        previous, before = request["previous"], None
        if previous is not None:
            size = small.shape[1::-1]
            before = (
                np.asarray(cv2.resize(previous.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)) > 0
            )
        weights = request["weights"]
        segmenter = ScribbledClicks(self._segmenter(weights) if weights else self._clicked_grab_cut)
        mask = segmenter.segment(small, points, request["labels"], before)
        found = enlarged(mask, picture.shape[:2])
        if previous is None or before is None:
            return found
        return np.where(enlarged(mask != before, picture.shape[:2]), found, previous)

    def _segmenter(self, weights: Path | None) -> ScribbleSegmenter:
        return self._load(weights, weights.stat().st_mtime_ns) if weights else self._grab_cut


def _reduced(picture: Picture) -> tuple[Picture, float]:
    """Return a picture with a shorter side of at most `SHORT_SIDE`, and the scale."""
    height, width = picture.shape[:2]
    scale = min(1.0, SHORT_SIDE / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def enlarged(mask: Mask, size: tuple[int, int]) -> Mask:
    """Resize a mask `h x w` to the video's size (H, W), with smooth edges."""
    if mask.shape == size:
        return mask
    soft = cv2.resize(mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft) > 0.5
