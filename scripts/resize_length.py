"""Bring the pictures of a folder, and of all folders in it, to one length of the shorter side.

For large static data (HRSOD, BIG), whose pictures and grey masks are averaged over the area of each pixel, as
the original does. Paletted PNGs are label maps: the nearest pixel, the palette kept.
"""

import argparse
import os
from pathlib import Path

from dataset.image_io import list_images_below
from scripts.resizing.shrinking import Job, check_apart, resize_all
from util.errors import InputError, run_script
from util.flag_types import positive_int
from util.lock import exclusive


def main() -> None:
    """Parse the flags and resize what is not done yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("input", type=Path, help="folder with pictures")
    add("output", type=Path, help="folder for the results, with the same names")
    add("size", type=positive_int, nargs="?", default=384, help="shorter side (default: %(default)s)")
    add("--workers", type=positive_int, default=os.cpu_count(), help="processes (default: one per core)")
    args = parser.parse_args()
    jobs = folder_jobs(args.input, args.output)
    with exclusive(args.output, "resizing"):
        resize_all(jobs, args.size, args.workers)
    print(f"Done: {args.output}")


def folder_jobs(source: Path, target: Path) -> list[Job]:
    """List the pictures of a folder and all folders in it.

    Raises:
        InputError: there are none, or the results would lie among them.
    """
    check_apart(source, target)
    jobs = [Job(path, target / path.relative_to(source), area=True) for path in list_images_below(source)]
    if not jobs:
        raise InputError(f"there are no pictures in {source}: give a folder that has some.")
    return jobs


if __name__ == "__main__":
    run_script(main)
