"""Reduce the YouTubeVOS training set to a shorter side of 480 pixels: `train` becomes `train_480p`."""

import os
from pathlib import Path

from dataset.image_io import list_images
from scripts.resizing.shrinking import Job, check_apart, resize_all
from util.data_roots import YOUTUBE
from util.errors import InputError, run_script
from util.flag_types import WORKERS_HELP, positive_int, script_parser
from util.lock import exclusive


def main() -> None:
    """Parse the flags and resize the missing files."""
    parser = script_parser(
        __doc__, "python -m scripts.resize_youtube --input ../YouTube/train --output ../YouTube/train_480p"
    )
    add = parser.add_argument
    default_input, default_output = YOUTUBE / "train", YOUTUBE / "train_480p"
    add("folders", type=Path, nargs="*", metavar="INPUT OUTPUT", help="same as --input and --output")
    add("--input", type=Path, help=f"folder of JPEGImages and Annotations (default: {default_input})")
    add("--output", type=Path, help=f"folder of the results (default: {default_output})")
    add("--size", type=positive_int, default=480, help="shorter side in pixels (default: %(default)s)")
    add("--workers", type=positive_int, default=os.cpu_count(), help=WORKERS_HELP)
    args = parser.parse_args()
    if args.folders and (len(args.folders) != 2 or args.input or args.output):
        parser.error("give INPUT OUTPUT, or --input and --output")
    source, target = args.folders or (args.input or default_input, args.output or default_output)
    jobs = video_jobs(source, target)
    with exclusive(target, "resizing"):
        resize_all(jobs, args.size, args.workers)
    print(f"Done: {target}")


def video_jobs(source: Path, target: Path) -> list[Job]:
    """Return a job for each frame of all videos, and for each mask, which gets the size of its frame.

    Raises:
        InputError: there are no frames, or one folder lies in the other.
    """
    jobs: list[Job] = []
    for video in sorted(path for path in (source / "JPEGImages").glob("*") if path.is_dir()):
        frames = {path.stem: path for path in list_images(video)}
        folder = target / "JPEGImages" / video.name
        jobs += [Job(path, folder / path.name) for path in frames.values()]
        folder = target / "Annotations" / video.name
        for path in list_images(source / "Annotations" / video.name):
            jobs.append(Job(path, folder / path.name, like=frames.get(path.stem)))
    if not jobs:
        raise InputError(
            f"there are no frames in {source / 'JPEGImages'}: give --input, or download the data with "
            "`python download_datasets.py --only youtube`."
        )
    check_apart(source, target)
    return jobs


if __name__ == "__main__":
    run_script(main)
