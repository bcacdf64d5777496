"""Make training data for stage 1 in the layout of BL30K: videos of synthetic objects with exact masks.

Textures are parts of the pictures in --pictures (with all folders in it), or procedural patterns. Video i
depends on --seed and i alone, so a data set can be made by any number of workers, continued, and enlarged.
"""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from dataset.image_io import list_images_below
from dataset.synthetic.scene import VideoSettings, random_scene, render
from dataset.synthetic.textures import TextureSource
from dataset.synthetic.video_files import write_video
from util.errors import InputError, run_script
from util.flag_types import WORKERS_HELP, positive_int, script_parser, whole_number
from util.hyper_para import SEED_HELP
from util.lock import exclusive
from util.progress import FrameProgress
from util.settings_record import SETTINGS_FILE, record_settings
from util.worker_processes import worked_on


def main() -> None:
    """Parse the flags and make the missing videos."""
    args = parse_args()
    fewest, most = args.objects
    if not 1 <= fewest <= most <= 255:
        raise InputError(f"--objects {fewest} {most}: give the fewest and the most, from 1 to 255.")
    settings = VideoSettings(args.frames, args.height, args.width, (fewest, most))
    if args.pictures and args.output.resolve().is_relative_to(args.pictures.resolve()):
        raise InputError(f"{args.output} lies in --pictures {args.pictures}: give a folder outside of it.")
    if (args.output / "JPEGImages").exists() and not (args.output / SETTINGS_FILE).is_file():
        raise InputError(f"{args.output} holds another data set: give another --output.")
    pictures = find_pictures(args.pictures) if args.pictures else []
    with exclusive(args.output, "generator"):
        recorded = {**asdict(settings), "seed": args.seed, "pictures": len(pictures)}
        record_settings(args.output, recorded, "give the same, or another --output.")
        make_missing(args, settings, pictures)


def make_missing(args: argparse.Namespace, settings: VideoSettings, pictures: Sequence[Path]) -> None:
    """Make the missing videos in worker processes."""
    names = {f"{index:06}": index for index in range(args.videos)}
    missing = {
        name: index for name, index in names.items() if not (args.output / "JPEGImages" / name).is_dir()
    }
    if len(missing) < len(names):
        print(f"{len(names) - len(missing)} of {len(names)} videos are there already.")
    if not missing:
        return

    start, frames = time.perf_counter(), len(missing) * settings.frames
    make = partial(make_video, output=args.output, seed=args.seed, settings=settings, pictures=pictures)
    with (
        worked_on(make, list(missing.items()), args.workers, start_worker) as names_made,
        FrameProgress(frames) as progress,
    ):
        for name in names_made:
            for _ in range(settings.frames):
                progress.advance(name)
    minutes = (time.perf_counter() - start) / 60
    print(f"{frames} frames in {minutes:.1f} minutes, {frames / minutes:.0f} a minute: {args.output}")


def parse_args() -> argparse.Namespace:
    """Parse the flags."""
    parser = script_parser(
        __doc__, "python -m scripts.make_synthetic_dataset --output ../BL30K --pictures ../static"
    )
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder of JPEGImages and Annotations, for --bl_root")
    add("--pictures", type=Path, help="folder of pictures for textures (default: only patterns)")
    add("--videos", type=positive_int, default=1000, help="number of videos (default: %(default)s)")
    add("--frames", type=positive_int, default=60, help="frames per video (default: %(default)s)")
    add("--height", type=positive_int, default=480, help="height in pixels (default: %(default)s)")
    add("--width", type=positive_int, default=854, help="width in pixels (default: %(default)s)")
    add(
        "--objects",
        type=int,
        nargs=2,
        default=(3, 6),
        metavar=("MIN", "MAX"),
        help="smallest and largest number of objects per video (default: 3 6)",
    )
    add("--seed", type=whole_number, default=0, help=SEED_HELP)
    add("--workers", type=positive_int, default=os.cpu_count(), help=WORKERS_HELP)
    return parser.parse_args()


def find_pictures(folder: Path) -> list[Path]:
    """Return all pictures below a folder, in order; raise InputError when there are none."""
    found = list_images_below(folder)
    if not found:
        raise InputError(f"--pictures {folder} holds no picture: give a folder of pictures, or leave it out.")
    return found


def start_worker() -> None:
    """Limit a worker to one core."""
    cv2.setNumThreads(0)


def make_video(
    video: tuple[str, int], output: Path, seed: int, settings: VideoSettings, pictures: Sequence[Path]
) -> str:
    """Render a video, given by name and number; return its name."""
    name, index = video
    random = np.random.default_rng((seed, index))
    scene = random_scene(random, settings, TextureSource(pictures))
    write_video(render(scene, random), output / "JPEGImages" / name, output / "Annotations" / name)
    return name


if __name__ == "__main__":
    run_script(main)
