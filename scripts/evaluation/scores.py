"""J (region) and F (boundary) scores of written masks, by vos-benchmark."""

import csv
import io
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vos_benchmark.evaluator import Evaluator

from dataset.image_io import read_labels
from dataset.video import Video
from util.files import atomic_path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ObjectScore:
    """Scores of one object of one video, in percent."""

    video: str
    label: int
    region: float  # J
    boundary: float  # F


def score_video(video: Video, folder: Path) -> list[ObjectScore]:
    """Score one video's masks, object by object.

    As in the DAVIS semi-supervised protocol, the first and the last frame do not count. A late object
    counts from the frame after the one that gives it. A video with no ground truth that counts has no
    scores; this is logged.

    Args:
        video: with its ground truth.
        folder: where its masks lie, `<frame name>.png`.
    """
    names = [name for name in video.frames.names if name in video.ground_truth][1:-1]
    if not names:
        log.info("%s: no ground truth between its first and last frame, so no score.", video.name)
        return []
    given = {video.frames.names[index]: list(labels) for index, labels in video.given_labels.items()}
    evaluator = Evaluator(name=video.name)  # counts an object from the first frame that shows it
    for name in names:
        mask = read_labels(folder / f"{name}.png")
        truth = video.read_truth(name, (mask.shape[0], mask.shape[1]))
        if name in given:
            truth, mask = (np.where(np.isin(labels, given[name]), 0, labels) for labels in (truth, mask))
        evaluator.feed_frame(mask, truth)
    region, boundary = evaluator.conclude()
    return [
        ObjectScore(video.name, int(label), float(region[label]), float(boundary[label]))
        for label in sorted(region)
    ]


def report(scores: Sequence[ObjectScore], csv_path: Path) -> None:
    """Print the table of scores and write it as CSV: the mean over all objects first."""
    if not scores:
        print("No score: there is no ground truth beyond the given masks.")
        return
    rows = [("mean", "", *_mean(scores)), *((s.video, str(s.label), *_mean([s])) for s in scores)]
    header = ("video", "object", "J&F", "J", "F")
    width = max(len(row[0]) for row in (header, *rows))
    for video, label, *numbers in (header, *rows):
        print(f"{video:<{width}} {label:>6} " + " ".join(f"{number:>6}" for number in numbers))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((header, *rows))
    with atomic_path(csv_path) as temporary:
        temporary.write_text(text.getvalue())


def _mean(scores: Iterable[ObjectScore]) -> tuple[str, str, str]:
    region, boundary = np.mean([(s.region, s.boundary) for s in scores], axis=0)
    return f"{(region + boundary) / 2:.1f}", f"{region:.1f}", f"{boundary:.1f}"
