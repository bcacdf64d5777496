"""Score masks that do not move on a DAVIS data set: a baseline that every method has to beat.

Each object's first mask is repeated on all later frames. J and F are computed as by the evaluation scripts
with --score.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.davis_test_dataset import SPLITS_2017, davis_2016, davis_2017
from dataset.masks.writer import write_mask
from dataset.video import Video
from dataset.video_checks import check_video
from scripts.evaluation.flags import LATE_OBJECTS_HELP, add_overwrite_flag
from scripts.evaluation.run_record import Run, begin_run, collect_settings
from scripts.evaluation.scores import TABLE, report, score_video
from util.errors import run_script
from util.flag_types import YEAR_HELP, script_parser
from util.lock import lock_folder


def main() -> None:
    """Parse the flags, write the masks and score them."""
    example = "python -m scripts.score_static_masks --davis ../DAVIS/2017 --output output/static"
    parser = script_parser(__doc__, example)
    add = parser.add_argument_group("data").add_argument
    add("--davis", type=Path, required=True, help="root of the data")
    add("--year", choices=("2016", "2017"), default="2017", help=YEAR_HELP)
    add("--split", choices=SPLITS_2017, default="val", help="with 2017: split (default: %(default)s)")
    add("--late_objects", action="store_true", help=f"with 2017: {LATE_OBJECTS_HELP}")
    add = parser.add_argument_group("results").add_argument
    add("--output", type=Path, required=True, help="folder of the masks and results.csv")
    add_overwrite_flag(add)
    args = parser.parse_args()
    if args.year == "2016":
        videos = davis_2016(args.davis)
    else:
        videos = davis_2017(args.davis, args.split, late_objects=args.late_objects)
    for video in videos:
        check_video(video, scored=True)
        video.check_apart(args.output / video.name)
    protocol = {"year": args.year, "split": args.split, "late_objects": args.late_objects}
    settings = collect_settings("score_static_masks", args.davis, videos, protocol)
    files = [args.output / video.name / f"{name}.png" for video in videos for name in video.frames.names]
    with lock_folder(args.output, "run"):
        begin_run(Run(args.output, settings, [*files, args.output / TABLE]), args.overwrite)
        write_and_score(videos, args.output)


def write_and_score(videos: Sequence[Video], output: Path) -> None:
    """Write the static masks, and score them."""
    (output / TABLE).unlink(missing_ok=True)  # until there is a new one
    scores = []
    for video in videos:
        folder = output / video.name
        for name, labels in zip(video.frames.names, static_masks(video), strict=True):
            write_mask(folder / f"{name}.png", labels, video.palette)
        scores += score_video(video, folder)
    report(scores, output / TABLE)


def static_masks(video: Video) -> Iterator[NDArray[np.uint8]]:
    """Yield for each frame the label map of all masks given so far; later masks cover earlier ones."""
    labels = np.zeros(video.read(0).size, np.uint8)
    for index in range(len(video)):
        if index in video.masks:
            given = np.asarray(video.read(index).mask)
            labels = np.where(given > 0, given, labels)
        yield labels


if __name__ == "__main__":
    run_script(main)
