"""Reduce the YouTubeVOS training set to a shorter side of 480 pixels: `train` becomes `train_480p`."""

import os
from pathlib import Path

from dataset.image_io import list_images
from scripts.resizing.shrinking import Job, resize_all
from util.data_roots import YOUTUBE
from util.errors import InputError, run_script
from util.flag_types import WORKERS_HELP, positive_int, script_parser


def main() -> None:
    """Parse the flags and resize the missing files."""
    source, target = YOUTUBE / "train", YOUTUBE / "train_480p"
    parser = script_parser(__doc__, f"python -m scripts.resize_youtube {source} {target}")
    add = parser.add_argument
    folders = "folder of JPEGImages and Annotations (default: %(default)s)"
    add("input", type=Path, nargs="?", default=source, help=folders)
    add("output", type=Path, nargs="?", default=target, help="folder of the results (default: %(default)s)")
    add("--size", type=positive_int, default=480, help="shorter side in pixels (default: %(default)s)")
    add("--workers", type=positive_int, default=os.cpu_count(), help=WORKERS_HELP)
    args = parser.parse_args()
    resize_all(video_jobs(args.input, args.output), args.input, args.output, args.size, args.workers)


def video_jobs(source: Path, target: Path) -> list[Job]:
    """Return a job for each frame of all videos, and for each mask, which gets the size of its frame.

    Raises:
        InputError: there are no frames.
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
            f"there are no frames in {source / 'JPEGImages'}: give another INPUT, or download the data with "
            "`python download_datasets.py --only youtube`."
        )
    return jobs


if __name__ == "__main__":
    run_script(main)
