"""J (region) and F (boundary) scores of masks by the rules of DAVIS, computed by vos-benchmark."""

import csv
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from vos_benchmark.evaluator import Evaluator

from dataset.masks.readers import VOID, read_labels, read_merged
from dataset.video import Video, fit_to_frame, fits
from util.errors import InputError
from util.files import atomic_path

log = logging.getLogger(__name__)

TABLE = "results.csv"
HEADER = ("video", "object", "J&F", "J", "F")
ONE_OBJECT = {1, 255}  # common labels in masks of a single object


@dataclass(frozen=True)
class ObjectScore:
    """Scores of one object of one video, in percent."""

    video: str
    label: int
    region: float  # J
    boundary: float  # F


@dataclass(frozen=True)
class Truth:
    """The ground truth of one video.

    Attributes:
        video: name of the video.
        names: names of the frames with ground truth, in order.
        read: function that returns the labels `H x W` of a frame, by its name and the size (H, W) of its
            mask.
        merged: whether all labels are one object, as in DAVIS 2016.
        late: labels that are given on later frames than the first, by the name of the frame.
    """

    video: str
    names: Sequence[str]
    read: Callable[[str, tuple[int, int]], NDArray[np.uint8]]
    merged: bool = False
    late: Mapping[str, frozenset[int]] = field(default_factory=dict)


def score_video(video: Video, folder: Path) -> list[ObjectScore]:
    """Score the masks of one video per object, see `score_masks`.

    Args:
        video: video with ground truth.
        folder: folder of its masks, `<frame name>.png`.
    """
    names = [name for name in video.results if name in video.ground_truth]

    def read(name: str, size: tuple[int, int]) -> NDArray[np.uint8]:
        path = video.ground_truth[name]
        labels = video.read_labels(path)
        # an error of size should name the mask, not the frame
        return fit_to_frame(labels, size, path) if fits(size, (labels.shape[0], labels.shape[1])) else labels

    late = {video.frames.names[i]: labels for i, labels in video.given_labels.items() if i > 0}
    merged = video.read_labels is read_merged
    truth = Truth(video.name, names, read, merged, late)
    return score_masks(truth, {name: folder / f"{name}.png" for name in names})


def score_masks(truth: Truth, masks: Mapping[str, Path]) -> list[ObjectScore]:
    """Score the masks of one video per object, by the rules of the official tool of DAVIS 2017.

    The first and the last frame with ground truth do not count. The objects are 1 to the largest label of the
    first frame; 255 in the ground truth is background. An object scores 1 on frames where ground truth and
    mask are both empty, and 0 where only one is. A late object counts from the frame after the one that gives
    it, and a label that is never given does not count. With a single object, 1 and 255 are the same label.
    Labels without a score are logged.

    Args:
        truth: ground truth.
        masks: mask files by frame name; they may be missing for frames that do not count.

    Returns:
        One score per object; an empty list for a video without frames that count.

    Raises:
        InputError: a mask that counts is missing, cannot be read, or has another size than the ground truth.
    """
    counted = truth.names[1:-1]
    if not counted:
        log.info(
            "%s: ground truth on %d frames, of which none counts: no score.", truth.video, len(truth.names)
        )
        return []
    if missing := [name for name in counted if name not in masks or not masks[name].is_file()]:
        raise InputError(
            f"{truth.video}: there is no mask of {len(missing)} of the {len(counted)} frames that count, "
            f"{missing[0]} first: give a mask for each frame with ground truth, named after it."
        )
    read_mask = read_merged if truth.merged else read_labels
    height, width = read_mask(masks[counted[0]]).shape
    first_labels = _labels_of(truth.read(truth.names[0], (height, width)))
    first, late = _objects_of(truth, first_labels)
    objects = first.union(*late.values())
    alias = _alias(objects, (read_mask(masks[name]) for name in counted))
    never_given: dict[int, str] = {}  # labels of the ground truth, by the frame that first shows them
    strangers: dict[int, str] = {}  # labels of the masks
    counting = set(first)
    evaluator = Evaluator(name=truth.video)
    for name in counted:
        mask = read_mask(masks[name])
        shown = truth.read(name, (mask.shape[0], mask.shape[1]))
        if mask.shape != shown.shape:
            raise InputError(
                f"mask {masks[name]} is {mask.shape[1]} x {mask.shape[0]}, its ground truth "
                f"{shown.shape[1]} x {shown.shape[0]}: give masks of the size of the ground truth."
            )
        if alias is not None:
            mask = np.where(mask == alias, np.uint8(min(objects)), mask)
        hidden = _labels_of(shown) - first_labels - (objects - first) - {VOID}
        never_given = dict.fromkeys(sorted(hidden), name) | never_given
        strangers = dict.fromkeys(sorted(_labels_of(mask) - objects), name) | strangers
        evaluator.objects_in_gt |= counting  # else it would count them from the first frame that shows them
        evaluator.feed_frame(_only(mask, counting), _only(shown, counting))
        counting |= late.get(name, set())
    if not objects:
        log.warning("%s: its first frame with ground truth, %s, is empty.", truth.video, truth.names[0])
    _warn(
        truth.video,
        never_given,
        "the ground truth has labels that its first frame lacks, %s: never given. Those up to the first "
        "frame's largest are scored all the same; --late_objects gives and scores each where it appears.",
    )
    for label in never_given:
        strangers.pop(label, None)
    _warn(truth.video, strangers, "its masks have labels of no object, %s: not scored.")
    region, boundary = evaluator.conclude()
    return [
        ObjectScore(truth.video, label, float(region[label]), float(boundary[label]))
        for label in sorted(region)
    ]


def _objects_of(truth: Truth, first_labels: set[int]) -> tuple[set[int], dict[str, set[int]]]:
    """Return the labels that count from the first frame on, and those of later frames by frame name."""
    if truth.merged:
        return {VOID}, {}  # the label of `read_merged`
    late_labels = set().union(*truth.late.values()) - first_labels
    shown = first_labels | late_labels
    void = set() if shown == {VOID} else {VOID}  # 255 alone is an object in masks of 0 and 255
    late_labels -= void
    numbers = first_labels - {VOID}
    first = set(range(1, max(numbers) + 1)) - late_labels if numbers else first_labels - void
    return first, {name: set(labels) & late_labels for name, labels in truth.late.items()}


def _alias(objects: set[int], masks: Iterable[NDArray[np.uint8]]) -> int | None:
    """Return the label of the single object in masks `H x W`, when it differs from that of the truth."""
    if len(objects) != 1 or not objects <= ONE_OBJECT:
        return None
    (other,) = ONE_OBJECT - objects
    found = set().union(*(_labels_of(mask) for mask in masks))
    return other if other in found and not objects & found else None


def _labels_of(labels: NDArray[np.uint8]) -> set[int]:
    return set(np.unique(labels).tolist()) - {0}


def _only(labels: NDArray[np.uint8], wanted: set[int]) -> NDArray[np.uint8]:
    return np.where(np.isin(labels, list(wanted)), labels, np.uint8(0))


def _warn(video: str, labels: Mapping[int, str], sentence: str) -> None:
    """Warn of labels; their values are the frames that first show them, and %s in the sentence names both."""
    if labels:
        named = ", ".join(f"{label} (first on {labels[label]})" for label in sorted(labels))
        log.warning("%s: " + sentence, video, named)


def check_table(path: Path) -> None:
    """Raise InputError when a table would replace a file that is not a table of scores."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a CSV file.")
    if path.is_file():
        with path.open("rb") as file:
            if file.readline().strip() != ",".join(HEADER).encode():
                raise InputError(f"{path} is there and is no table of scores: give another --output.")


def report(scores: Sequence[ObjectScore], csv_path: Path | None) -> None:
    """Print the table of scores, with the mean over all objects first, and write it as CSV.

    Without scores an earlier table is removed, since it is of other masks.
    """
    if not scores:
        print("No score: no video has ground truth that counts.")
        if csv_path is not None:
            csv_path.unlink(missing_ok=True)
        return
    rows = [("mean", "", *_mean(scores)), *((s.video, str(s.label), *_mean([s])) for s in scores)]
    width = max(len(row[0]) for row in (HEADER, *rows))
    for video, label, *numbers in (HEADER, *rows):
        print(f"{video:<{width}} {label:>6} " + " ".join(f"{number:>6}" for number in numbers))
    if csv_path is not None:
        with (
            atomic_path(csv_path) as temporary,
            temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
        ):
            csv.writer(file, lineterminator="\n").writerows((HEADER, *rows))


def _mean(scores: Iterable[ObjectScore]) -> tuple[str, str, str]:
    region, boundary = np.mean([(s.region, s.boundary) for s in scores], axis=0)
    return f"{(region + boundary) / 2:.1f}", f"{region:.1f}", f"{boundary:.1f}"
