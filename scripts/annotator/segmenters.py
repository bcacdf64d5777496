"""Segmenting frames by scribbles, in the computing process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.interactive.scribbles import draw_stroke, no_scribbles
from model import load_s2m
from model.interactive.grab_cut import GrabCutSegmenter
from model.interactive.scribble_to_mask import S2MSegmenter, ScribbleSegmenter
from scripts.annotator.pictures import Pictures
from scripts.annotator.settings import WorkerSettings
from util.device import set_up_device

SHORT_SIDE = 480  # frames are reduced to it: more takes long and finds no more


class Segmenters:
    """Segments frames in the computing process."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.pictures = Pictures(settings.video)
        self._grab_cut = GrabCutSegmenter()
        self._loaded: dict[tuple[Path, int], ScribbleSegmenter] = {}

    def run(self, request: dict[str, Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield ("mask", `H x W`): where the object of the request is.

        Its "strokes" are pairs of points (x, y) and a label, 0 for background; "old" is the label map so far.
        """
        picture, old, label = self.pictures.read(request["frame"]), request["old"], request["label"]
        height, width = old.shape
        scale = min(1.0, SHORT_SIDE / min(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        scribbles = no_scribbles((size[1], size[0]))
        for points, of in request["strokes"]:
            draw_stroke(scribbles, np.array(points) * scale - 0.5, of)  # pixel centres: n + 0.5, to n
        previous = np.asarray(cv2.resize(old, size, interpolation=cv2.INTER_NEAREST))
        labels = sorted({*np.unique(previous).tolist(), *np.unique(scribbles).tolist(), label} - {-1, 0})
        prob = self._segmenter(request["weights"]).segment(small, scribbles, previous, labels)
        best = prob.argmax(dim=0).numpy() == labels.index(label) + 1
        yield "mask", enlarged(best, (height, width))

    def _segmenter(self, weights: Path | None) -> ScribbleSegmenter:
        if weights is None:
            return self._grab_cut
        key = weights, weights.stat().st_mtime_ns
        if key not in self._loaded:
            amp = self.settings.precision == "reduced"  # "auto" is about propagation
            network = load_s2m(weights, set_up_device(self.settings), amp)
            self._loaded = {key: S2MSegmenter(network)}
        return self._loaded[key]


def enlarged(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Bring a mask `h x w` to the video's size (H, W), with smooth edges."""
    if mask.shape == size:
        return mask
    soft = cv2.resize(mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft) > 0.5
