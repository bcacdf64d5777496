"""Samples a second of training data on one core."""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dataset.masks.writer import write_mask
from dataset.static_dataset import StaticDataset, draw, flat_folder
from dataset.synthetic.scene import VideoSettings, random_scene, render
from dataset.synthetic.textures import TextureSource
from dataset.tps import exact_maps, fast_maps, random_control_points
from dataset.vos_dataset import VOSDataset
from scripts.benchmark.interactive_loading import time_fusion, time_s2m
from scripts.benchmark.plain_loading import static_frames, thin_plate_maps, video_frames
from scripts.benchmark.timing import Report, in_turns
from util.flag_types import positive_int
from util.palette import voc_palette

CROP = 384
SIZES = ((300, 400), (960, 1280))  # of most pictures of the static sets, and of the large ones
VIDEO_SIZE = (480, 854)
PICTURES = 8

Points = tuple[NDArray[np.float64], NDArray[np.float64]]  # of a thin-plate spline, and where they go


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `data` and its flags."""
    parser = commands.add_parser("data", help=__doc__, description=__doc__)
    parser.add_argument("--static", type=Path, help="folder of x.jpg with x.png (default: made up)")
    parser.add_argument("--images", type=Path, help="folder of video frames, with --masks (default: made up)")
    parser.add_argument("--masks", type=Path, help="their label maps")
    parser.add_argument("--samples", type=positive_int, default=60, help="default: %(default)s")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, report: Report) -> None:
    """Print how many samples a second there are, and how far the cheap thin-plate spline is off."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    print("One core. Plain: full decode, torchvision on PIL, one operation after another, exact splines.")
    with tempfile.TemporaryDirectory() as folder:
        if args.static:
            time_static("static", args.static, args.samples, report)
            time_s2m("S2M", args.static, args.samples, report)
        else:
            for height, width in SIZES:
                made = Path(folder) / f"{width}x{height}"
                make_pictures(made, height, width)
                time_static(f"static, {width} x {height}", made, args.samples, report)
                time_s2m(f"S2M, {width} x {height}", made, args.samples, report)
        if args.images and args.masks:
            time_video("video", args.images, args.masks, args.samples, report)
        else:
            roots = Path(folder) / "images", Path(folder) / "masks"
            make_video(*roots)
            size = f"{VIDEO_SIZE[1]} x {VIDEO_SIZE[0]}"
            time_video(f"video, {size}", *roots, args.samples, report)
            time_fusion(f"fusion, {size}", *roots, Path(folder) / "fusion", args.samples, report)
    time_splines(args.samples, report)


def time_static(name: str, folder: Path, samples: int, report: Report) -> None:
    """Time samples of stage 0; both ways make the same ones."""
    dataset = StaticDataset(flat_folder(folder), CROP)

    def plain(index: int) -> None:
        static_frames(*dataset.pictures[index], draw(dataset.streams.generator(index)), CROP)

    timing = in_turns(dataset.__getitem__, plain, _indices(dataset, samples))
    report.timing(name, timing, "samples/s")


def time_video(name: str, images: Path, masks: Path, samples: int, report: Report) -> None:
    """Time samples of videos; the plain way is told which frames hold an object."""
    dataset = VOSDataset(images, masks, max_jump=5, crop_size=CROP)
    found: dict[str, Any] = {}

    def indices() -> Iterator[int]:
        for index in _indices(dataset, samples):
            video = dataset.videos[index % len(dataset.videos)]
            found["frames"], found["draw"], _, _ = dataset.find(video, dataset.streams.generator(index))
            yield index

    def plain(_: int) -> None:
        paths, mask_paths = zip(*found["frames"], strict=True)
        video_frames(paths, mask_paths, found["draw"], CROP)

    report.timing(name, in_turns(dataset.__getitem__, plain, indices()), "samples/s")


def time_splines(samples: int, report: Report) -> None:
    """Time the maps of thin-plate splines, and print the largest difference from the exact ones."""
    random = np.random.default_rng(0)
    points = [random_control_points(random) for _ in range(samples + 1)]

    def ours(pair: Points) -> None:
        fast_maps(*pair, CROP, CROP)

    def plain(pair: Points) -> None:
        thin_plate_maps(*pair, CROP, CROP)

    report.timing(f"thin-plate maps, {CROP} x {CROP}", in_turns(ours, plain, points), "maps/s")
    worst = max(
        np.abs(np.subtract(fast_maps(*pair, CROP, CROP), exact_maps(*pair, CROP, CROP))).max()
        for pair in points
    )
    report.number("largest difference from the exact maps", worst, "pixel")


def _indices(dataset: StaticDataset | VOSDataset, samples: int) -> Iterator[int]:
    """Yield an item to warm up, then as many as asked for, over as many epochs as that takes."""
    for number in range(samples + 1):
        dataset.set_epoch(number // len(dataset))
        yield number % len(dataset)


def make_pictures(folder: Path, height: int, width: int) -> None:
    """Write pictures with one object each."""
    folder.mkdir(parents=True)
    settings = VideoSettings(1, height, width, (1, 1))
    for index in range(PICTURES):
        random = np.random.default_rng(index)
        frame = next(render(random_scene(random, settings, TextureSource()), random))
        Image.fromarray(frame.picture).save(folder / f"{index}.jpg", quality=92)
        write_mask(folder / f"{index}.png", (frame.labels > 0).astype(np.uint8) * 255, None)


def make_video(images: Path, masks: Path) -> None:
    """Write one video."""
    random = np.random.default_rng(0)
    scene = random_scene(random, VideoSettings(24, *VIDEO_SIZE), TextureSource())
    (images / "video").mkdir(parents=True)
    for index, frame in enumerate(render(scene, random)):
        Image.fromarray(frame.picture).save(images / "video" / f"{index:05}.jpg", quality=92)
        write_mask(masks / "video" / f"{index:05}.png", frame.labels, voc_palette())
