"""Suspicion: how much each mask looks wrong, and the places to look at first."""

from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.annotator.document import FrameState
from scripts.annotator.masks import Labels
from scripts.annotator.session import Session
from util.errors import InputError

MEASURED_SIDE = 240  # pixels: larger masks are measured on every second, third ... pixel
HELD = 16  # reduced label maps: of this frame, the one before it, and drawn ones
MEASURED = 1 << 18  # masks whose suspicion is kept
APART = 4  # frames; masks nearer to a place belong to it
MOST_PLACES = 20
SUSPICIOUS = 0.5  # least change of a place to look at

Mask = NDArray[np.bool_]  # H x W
Place = tuple[int, int, float]  # frame, label of the object, suspicion


def places(scores: Mapping[tuple[int, int], float]) -> list[Place]:
    """Return the places of suspicious masks, the worst first; scores are by frame and label."""
    found: list[Place] = []
    for (frame, label), score in sorted(scores.items(), key=lambda each: (-each[1], each[0])):
        if score < SUSPICIOUS or len(found) == MOST_PLACES:
            break
        if all(abs(frame - other) > APART for other, _, _ in found):
            found.append((frame, label, score))
    return found


class Suspicion:
    """Measures the masks of a session; only changed masks are measured again.

    The suspicion of a mask is its change from the nearest drawn masks of its object, the smaller of the two.
    If the object is drawn nowhere, it is the change from the frame before. Where an object has disappeared,
    only its first frame without a mask is suspicious.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._measure = lru_cache(MEASURED)(self._measure_anew)
        self._map = lru_cache(HELD)(self._reduced)

    def as_json(self) -> dict[str, Any]:
        """Return curves and places, for pages.

        A row of a curve is a frame, the mask's area and its suspicion, 0 to 1.
        """
        with self.session.lock:
            document, revision = self.session.document, self.session.revision
            states = {frame: document.state(frame) for frame in document.touched}
            labels = [each.label for each in document.objects]
        scores: dict[tuple[int, int], float] = {}
        curves = {label: self._curve(label, states, scores) for label in labels}
        found = [[frame, label, round(score, 3)] for frame, label, score in places(scores)]
        return {"revision": revision, "curves": curves, "places": found}

    def _curve(
        self, label: int, states: Mapping[int, FrameState], scores: dict[tuple[int, int], float]
    ) -> list[Any]:
        """Return an object's curve, and put its suspicion into the scores."""
        rows: list[Any] = []
        drawn = [frame for frame, state in states.items() if label in state.drawn]
        for frame, state in states.items():
            at = bisect_right(drawn, frame)
            near = drawn[max(0, at - 1) : at + 1] or [f for f in (frame - 1,) if f in states]
            before = states.get(frame - 1, state)
            settled = state.reviewed or label in state.drawn | state.absent
            gone = label not in state.present | before.present
            try:
                area, score = self._measure(label, *((f, states[f].version) for f in (frame, *near)))
            except InputError:  # that version was undone meanwhile: pages ask again
                return rows
            scores[frame, label] = 0.0 if settled or gone else score
            rows.append([frame, area, round(scores[frame, label], 3)])
        return rows

    def _measure_anew(self, label: int, *versions: tuple[int, int]) -> tuple[int, float]:
        """Return area and suspicion of a mask: the first version, compared with the others."""
        now, *others = (self._map(*each) == label for each in versions)
        score = min((change(other, now) for other in others), default=0.0)
        return int(np.count_nonzero(now)), score

    def _reduced(self, frame: int, version: int) -> Labels:
        """Return the labels of a frame at a version, reduced."""
        labels = self.session.label_map(frame, version)
        step = max(1, min(labels.shape) // MEASURED_SIDE)
        return labels[::step, ::step].copy()


def change(before: Mask, now: Mask) -> float:
    """Return 1 - IoU of two masks once the first has been moved so that their centres of mass agree."""
    if not before.any() or not now.any():
        return float(before.any() or now.any())
    rows, columns = (round(_centre(now, axis) - _centre(before, axis)) for axis in (0, 1))
    moved = np.zeros_like(now)
    moved[_part(rows, now.shape[0]), _part(columns, now.shape[1])] = before[
        _part(-rows, now.shape[0]), _part(-columns, now.shape[1])
    ]
    shared = int(np.count_nonzero(moved & now))
    return 1 - shared / int(np.count_nonzero(before) + np.count_nonzero(now) - shared)


def _centre(mask: Mask, axis: int) -> float:
    counts = np.count_nonzero(mask, axis=1 - axis)
    return float(counts @ np.arange(len(counts)) / counts.sum())


def _part(shift: int, length: int) -> slice:
    """Return where something lands that is shifted within a length."""
    return slice(max(0, shift), length + min(0, shift))
