"""Score masks from anywhere against ground truth, by the rules of DAVIS.

Both folders hold a folder per video, FOLDER/<video>/<frame>.png, or the pictures of one video. J and F are
computed as by the evaluation scripts with --score.
"""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

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
    example = "python -m scripts.score_masks --masks output/own --truth Annotations --output scores.csv"
    parser = script_parser(__doc__, example)
    add = parser.add_argument_group("data").add_argument
    add("--masks", type=Path, required=True, help="folder of the masks to score")
    add("--truth", type=Path, required=True, help="folder of the ground truth, such as Annotations/480p")
    add("--output", type=Path, help="also write the table to this CSV file")
    add = parser.add_argument_group("rules").add_argument
    add("--year", choices=("2016", "2017"), default="2017", help=YEAR_HELP)
    late = "with 2017: score an object that the first label map lacks from the frame after its first one on"
    add("--late_objects", action="store_true", help=late)
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
    if list_images(masks) and list_images(truth):  # one video, whatever the folders' names
        (mask_files,), (truth_files,) = mask_videos.values(), truth_videos.values()
        return [(truth.resolve().name, mask_files, truth_files)]
    if list_images(truth):
        mask_videos = {name: files for name, files in mask_videos.items() if name in truth_videos}
        if not mask_videos:
            name = truth.resolve().name
            raise InputError(
                f"{truth} is the ground truth of video {name}, but {masks} has no folder {name}: "
                "give that video's masks."
            )
    strangers = [name for name in mask_videos if name not in truth_videos]
    if strangers:
        raise InputError(
            f"{truth} has no ground truth for {_named(strangers)}, which has masks in {masks}: "
            "give the folder that holds it, or remove those masks."
        )
    unscored = [name for name in truth_videos if name not in mask_videos]
    if unscored:
        log.warning("%s has no masks of %s: not scored, and not in the mean.", masks, _named(unscored))
    return [(name, files, truth_videos[name]) for name, files in mask_videos.items()]


def videos_in(folder: Path, what: str) -> dict[str, list[Path]]:
    """Return the pictures of each video of a folder, or of the folder itself, by the folder's name.

    Raises:
        InputError: there are none.
    """
    if pictures := list_images(folder):
        return {folder.resolve().name: pictures}
    below = sorted(path for path in folder.glob("[!.]*") if path.is_dir())
    videos = {path.name: pictures for path in below if (pictures := list_images(path))}
    if not videos:
        raise InputError(f"{folder} holds no {what}: it needs PNG files, or a folder of them for each video.")
    return videos


def score_pictures(
    video: str, masks: Sequence[Path], truth: Sequence[Path], merged: bool, late_objects: bool
) -> list[ObjectScore]:
    """Score one video's masks, named after the frames; see `scripts.evaluation.scores.score_masks`.

    With `late_objects` an object that the first label map lacks counts from the frame after its first one.
    """
    files, named = by_stem(video, truth), by_stem(video, masks)
    if files.keys().isdisjoint(named):
        raise InputError(
            f"{video}: none of its masks ({masks[0]} first) is named after a frame with ground truth; "
            f"these are called {truth[0].stem} to {truth[-1].stem}."
        )
    read_truth = read_merged if merged else partial(read_label_map, lone_void=True)

    def read(name: str, _: tuple[int, int]) -> NDArray[np.uint8]:
        return read_truth(files[name])

    new_labels = first_appearances(truth) if late_objects and not merged else {}
    late = {truth[index].stem: labels for index, labels in new_labels.items() if index > 0}
    return score_masks(Truth(video, list(files), read, merged, late), named)


def by_stem(video: str, paths: Sequence[Path]) -> dict[str, Path]:
    """Return files by the name of their frame; raise InputError when two belong to one frame."""
    files: dict[str, Path] = {}
    for path in paths:
        if files.setdefault(path.stem, path) != path:
            raise InputError(f"{video}: {files[path.stem]} and {path} belong to the same frame: keep one.")
    return files


def _named(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


if __name__ == "__main__":
    run_script(main)
