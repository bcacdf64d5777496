"""Make a stage-1 data set in the layout of BL30K: videos of synthetic objects with exact masks.

Objects and backgrounds are textured by parts of the pictures in --pictures (any folder, searched through
its sub-folders), or by procedural patterns alone. Video i depends on --seed and i only, so a set can be made
by any number of workers, stopped, continued, and enlarged later.
"""

import argparse
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from dataset.image_io import IMAGE_SUFFIXES
from dataset.synthetic_textures import TextureSource
from dataset.synthetic_video import VideoSettings, random_scene, render
from util.errors import InputError, run_script
from util.evaluation_args import positive_int
from util.files import atomic_path
from util.mask_writer import write_mask
from util.palette import voc_palette
from util.progress import FrameProgress
from util.worker_processes import worked_on

SETTINGS_FILE = ".settings.json"
JPEG_QUALITY = 92


def main() -> None:
    """Parse the flags and make the videos that are not there yet."""
    args = parse_args()
    fewest, most = args.objects
    if not 1 <= fewest <= most <= 255:
        raise InputError(f"--objects {fewest} {most}: give the fewest and the most, from 1 to 255.")
    settings = VideoSettings(args.frames, args.height, args.width, (fewest, most))
    pictures = find_pictures(args.pictures) if args.pictures else []
    check_settings(args.output, {**asdict(settings), "seed": args.seed, "pictures": len(pictures)})
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--output", type=Path, required=True, help="becomes a --bl_root: JPEGImages and Annotations")
    add("--pictures", type=Path, help="folder of pictures to take textures from (default: patterns alone)")
    add("--videos", type=positive_int, default=1000, help="default: %(default)s")
    add("--frames", type=positive_int, default=60, help="of each video (default: %(default)s)")
    add("--height", type=positive_int, default=480, help="default: %(default)s")
    add("--width", type=positive_int, default=854, help="default: %(default)s")
    add(
        "--objects",
        type=int,
        nargs=2,
        default=(3, 6),
        metavar=("MIN", "MAX"),
        help="in each video (default: 3 6)",
    )
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--workers", type=positive_int, default=os.cpu_count(), help="processes (default: one per core)")
    return parser.parse_args()


def find_pictures(folder: Path) -> list[Path]:
    """Return all pictures below a folder, in order; raises InputError when there are none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise InputError(f"--pictures {folder} holds no picture: give a folder of pictures, or leave it out.")
    return found


def check_settings(output: Path, settings: dict[str, Any]) -> None:
    """Record what a set is made with; raises InputError when it was begun with other settings."""
    path, settings = output / SETTINGS_FILE, json.loads(json.dumps(settings))
    if path.is_file():
        before = json.loads(path.read_text())
        changed = [name for name in settings if before.get(name) != settings[name]]
        if changed:
            raise InputError(
                f"{output} was begun with another {', '.join(changed)}: give the same, or another --output."
            )
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=1))


def start_worker() -> None:
    """Keep a worker to one core."""
    cv2.setNumThreads(0)


def make_video(
    video: tuple[str, int], output: Path, seed: int, settings: VideoSettings, pictures: Sequence[Path]
) -> str:
    """Render a video, given by name and number; return its name.

    Its folders appear when all is written, the pictures' last.
    """
    name, index = video
    folders = [output / kind / name for kind in ("Annotations", "JPEGImages")]
    unfinished = [folder.with_name(f".{name}") for folder in folders]
    for folder in (*folders, *unfinished):  # of a run that was stopped
        shutil.rmtree(folder, ignore_errors=True)
    for folder in unfinished:
        folder.mkdir(parents=True)
    random = np.random.default_rng((seed, index))
    scene = random_scene(random, settings, TextureSource(pictures))
    for number, frame in enumerate(render(scene, random)):
        write_mask(unfinished[0] / f"{number:05}.png", frame.labels, voc_palette())
        picture = Image.fromarray(frame.picture)
        picture.save(unfinished[1] / f"{number:05}.jpg", quality=JPEG_QUALITY)
    for folder, hidden in zip(folders, unfinished, strict=True):
        hidden.rename(folder)
    return name


if __name__ == "__main__":
    run_script(main)
