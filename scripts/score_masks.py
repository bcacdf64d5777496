"""Score masks from anywhere against ground truth, by the rules of DAVIS.

Both folders hold a folder per video, FOLDER/<video>/<frame>.png, or the pictures of one video. J and F are
computed as by the evaluation scripts with --score.
"""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from dataset.image_io import list_images
from dataset.masks.readers import read_label_map, read_merged
from dataset.video_folders import first_appearances
from scripts.evaluation.scores import ObjectScore, Truth, check_table, report, score_masks
from util.errors import InputError, run_script
from util.flag_types import YEAR_HELP, script_parser

log = logging.getLogger(__name__)


def main() -> None:
    """Parse the flags, score and print the table."""
    parser = script_parser(
        __doc__,
        "python -m scripts.score_masks --masks output/own --truth Annotations --output scores.csv",
    )
    add = parser.add_argument
    add("--masks", type=Path, required=True, help="folder of the masks to score")
    add("--truth", type=Path, required=True, help="folder of the ground truth, such as Annotations/480p")
    add(
        "--year",
        choices=("2016", "2017"),
        default="2017",
        help=YEAR_HELP,
    )
    add("--late_objects", action="store_true", help="with 2017: as in eval_davis.py")
    add("--output", type=Path, help="also write the table to this CSV file")
    args = parser.parse_args()
    if args.output is not None:
        check_table(args.output)
    scores: list[ObjectScore] = []
    for video, masks, truth in paired_videos(args.masks, args.truth):
        scores += score_pictures(video, masks, truth, args.year == "2016", args.late_objects)
    report(scores, args.output)


def paired_videos(masks: Path, truth: Path) -> list[tuple[str, list[Path], list[Path]]]:
    """Return the name of each video that has masks, those masks, and its ground truth.

    Raises:
        InputError: there is nothing to score, or no ground truth for a video.
    """
    mask_videos, truth_videos = videos_in(masks, "masks"), videos_in(truth, "ground truth")
    if None in truth_videos and None in mask_videos:
        return [(truth.resolve().name, mask_videos[None], truth_videos[None])]
    if None in truth_videos:
        name = truth.resolve().name
        truth_videos = {name: truth_videos[None]}
        mask_videos = {each: files for each, files in mask_videos.items() if each == name}
        if not mask_videos:
            raise InputError(f"{masks} has no folder {name}, of which {truth} is: give that video's masks.")
    if None in mask_videos:
        mask_videos = {masks.resolve().name: mask_videos[None]}
    strangers = [name for name in mask_videos if name not in truth_videos]
    if strangers:
        raise InputError(
            f"{truth} has no ground truth for {_named(strangers)}, which has masks in {masks}: "
            "give the folder that holds it, or remove those masks."
        )
    unscored = [name for name in truth_videos if name not in mask_videos]
    if unscored:
        log.warning("%s has no masks of %s: not scored, and not in the mean.", masks, _named(unscored))
    return [(name, files, truth_videos[name]) for name, files in mask_videos.items() if name is not None]


def videos_in(folder: Path, what: str) -> dict[str | None, list[Path]]:
    """Return the pictures of each video of a folder by its name; those of the folder itself by None.

    Raises:
        InputError: there are none.
    """
    if pictures := list_images(folder):
        return {None: pictures}
    below = sorted(path for path in folder.glob("[!.]*") if path.is_dir())
    videos: dict[str | None, list[Path]] = {
        normalize("NFC", path.name): pictures for path in below if (pictures := list_images(path))
    }
    if not videos:
        raise InputError(f"{folder} holds no {what}: it needs PNG files, or a folder of them for each video.")
    return videos


def score_pictures(
    video: str, masks: Sequence[Path], truth: Sequence[Path], merged: bool, late_objects: bool
) -> list[ObjectScore]:
    """Score one video's masks; see `scripts.evaluation.scores.score_masks`.

    Args:
        video: its name.
        masks: named after the frames.
        truth: label maps, in order.
        merged: all labels are one object.
        late_objects: an object that the first label map lacks counts from the frame after its first one.
    """
    files = {path.stem: path for path in truth}
    _check_unique(video, truth)
    read_truth = read_merged if merged else partial(read_label_map, lone_void=True)

    def read(name: str, _: tuple[int, int]) -> NDArray[np.uint8]:
        return read_truth(files[name])

    new_labels = first_appearances(truth) if late_objects and not merged else {}
    late = {truth[index].stem: labels for index, labels in new_labels.items() if index > 0}
    return score_masks(Truth(video, list(files), read, merged, late), by_frame(video, masks, list(files)))


def by_frame(video: str, masks: Sequence[Path], frames: Sequence[str]) -> dict[str, Path]:
    """Return masks by the frames that they are named after.

    A number finds its frame with any count of zeros, a name with its letters composed or not.

    Raises:
        InputError: two masks belong to one frame, or none to any.
    """
    _check_unique(video, masks)
    exact = {path.stem: path for path in masks}
    by_number = {_number(path.stem): path for path in masks}
    found = {frame: exact.get(frame, by_number.get(_number(frame))) for frame in frames}
    matched = {frame: path for frame, path in found.items() if path is not None}
    if not matched:
        raise InputError(
            f"{video}: none of its masks ({masks[0]} first) is named after a frame with ground truth; "
            f"these are called {frames[0]} to {frames[-1]}."
        )
    renamed = [frame for frame, path in matched.items() if path.stem != frame and frame.isdecimal()]
    if renamed:
        log.info("%s: by its number, mask %s is taken for %s.", *(video, matched[renamed[0]], renamed[0]))
    return matched


def _number(stem: str) -> str:
    """Return a name without leading zeros, if it is a number, else with its letters composed."""
    return str(int(stem)) if stem.isdecimal() else normalize("NFC", stem)


def _check_unique(video: str, paths: Sequence[Path]) -> None:
    known: dict[str, Path] = {}
    for path in paths:
        if known.setdefault(_number(path.stem), path) != path:
            raise InputError(
                f"{video}: {known[_number(path.stem)]} and {path} belong to the same frame: keep one."
            )


def _named(names: Sequence[str | None]) -> str:
    return f"{names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")


if __name__ == "__main__":
    run_script(main)
