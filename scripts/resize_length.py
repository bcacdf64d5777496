"""Resize the pictures of a folder, and of all folders in it, to one length of the shorter side.

For large static pictures (HRSOD, BIG): pictures and grey masks are averaged over the area of each pixel, as
in the original. Paletted PNGs are label maps; they are resized by nearest neighbour, and the palette is kept.
"""

import os
from pathlib import Path

from dataset.image_io import list_images
from scripts.resizing.shrinking import Job, resize_all
from util.errors import InputError, run_script
from util.flag_types import WORKERS_HELP, positive_int, script_parser


def main() -> None:
    """Parse the flags and resize the missing pictures."""
    parser = script_parser(__doc__, "python -m scripts.resize_length ../static/BIG ../static/BIG_small 384")
    add = parser.add_argument
    add("input", type=Path, help="folder of pictures")
    add("output", type=Path, help="folder of the results, with the same names")
    add("size", type=positive_int, nargs="?", default=384, help="shorter side (default: %(default)s)")
    add("--workers", type=positive_int, default=os.cpu_count(), help=WORKERS_HELP)
    args = parser.parse_args()
    resize_all(folder_jobs(args.input, args.output), args.input, args.output, args.size, args.workers)


def folder_jobs(source: Path, target: Path) -> list[Job]:
    """Return a job for each picture of a folder and of all folders in it.

    Raises:
        InputError: there are no pictures.
    """
    folders = [source, *sorted(path for path in source.rglob("*/") if not path.name.startswith("."))]
    pictures = [path for folder in folders for path in list_images(folder)]
    jobs = [Job(path, target / path.relative_to(source), area=True) for path in pictures]
    if not jobs:
        raise InputError(f"there are no pictures in {source}: give a folder that has some.")
    return jobs


if __name__ == "__main__":
    run_script(main)
