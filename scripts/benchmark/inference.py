"""Speed of propagation through a video and of the memory read, against their plain formulations."""

import argparse
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import normalise
from dataset.masks.readers import read_label_map
from dataset.video_files.frame_source import open_source
from model import InferenceCore, load_network
from model.checkpoint import read_network
from scripts.benchmark.plain_propagation import PlainCore, read_plainly
from scripts.benchmark.timing import Report, Timing, compare, tf32, time_alternately
from util.device import AMP_HELP, add_device_flag, add_device_flags, set_up_device
from util.errors import InputError
from util.flag_types import add_shared, help_texts, positive_int

READ_FRAMES = (1, 5, 10, 20, 40, 100, 200, 400)  # numbers of remembered frames
GRID = (30, 54)  # of 854 x 480
CPU = torch.device("cpu")
VIDEO_EXAMPLE = "--model W.pth --input frames --mask first.png"

FrameAndMask = tuple[Tensor, Tensor | None]  # 3 x H x W, and labels H x W on the first frame


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `inference` and `read` and their flags."""
    what = "whole frames through the engine"
    example = f"python -m scripts.benchmark inference {VIDEO_EXAMPLE} --objects 1 3"
    parser = commands.add_parser("inference", help=what, **help_texts(what, example))
    add = parser.add_argument
    add_video_flags(add)
    add("--objects", type=positive_int, nargs="+", default=[1], help="numbers of objects (default: 1)")
    add("--frames", type=positive_int, default=40, help="number of frames (default: %(default)s)")
    add("--amp", action="store_true", help=AMP_HELP)
    add_device_flags(add)
    parser.set_defaults(run=run_inference)

    what = "the memory read at 854 x 480"
    parser = commands.add_parser("read", help=what, **help_texts(what, "python -m scripts.benchmark read"))
    add = parser.add_argument
    add_shared(add, "top_k")
    add("--turns", type=positive_int, default=5, help="number of measurements (default: %(default)s)")
    add_device_flag(add)
    parser.set_defaults(run=run_read, no_tf32=False)  # nothing convolves


def add_video_flags(add: Callable[..., object]) -> None:
    """Add the flags of network, video and mask; `add` is a parser's `add_argument`."""
    add("--model", type=Path, required=True, help="weights of the propagation network")
    add_shared(add, "input")
    add("--mask", type=Path, required=True, help="mask of the first frame")


def run_inference(args: argparse.Namespace, report: Report) -> None:
    """Step both engines through the same frames, with each number of objects."""
    device = set_up_device(args.device, args.no_tf32)
    source = open_source(args.input)
    labels = read_label_map(args.mask)
    images = [normalise(source.read(i)) for i in range(min(args.frames, len(source.names)))]
    if len(images) < 2:
        raise InputError(f"one frame of {args.input} leaves none to propagate to: give more --frames.")
    if device.type == "cuda":
        images = [image.pin_memory() for image in images]  # as evaluation has them
    for objects in args.objects:
        mask = torch.from_numpy(split_into(labels, objects))
        frames = [(image, None if i else mask) for i, image in enumerate(images)]
        run_objects(objects, frames, device, args, report)


def run_objects(
    objects: int,
    frames: Sequence[FrameAndMask],
    device: torch.device,
    args: argparse.Namespace,
    report: Report,
) -> None:
    """Step both engines through the same frames; also report the pixels that differ."""

    def start_ours() -> Callable[[FrameAndMask], Tensor]:
        core = InferenceCore(load_network(args.model, device, args.amp))

        def labels(frame: FrameAndMask) -> Tensor:
            with tf32(not args.no_tf32):
                return core.label_map(core.step(*frame)).cpu()  # waits for a GPU

        return labels

    def start_plain() -> Callable[[FrameAndMask], Tensor]:
        core = PlainCore(read_network(args.model).eval().to(device))

        def labels(frame: FrameAndMask) -> Tensor:
            with tf32(True, products=True):
                return core.step(*frame).argmax(dim=0).to(torch.uint8).cpu()

        return labels

    height, width = frames[0][0].shape[1:]
    name = f"{width} x {height}, {objects} objects{', amp' * args.amp}"
    pairs = compare(report, name, "FPS", (start_ours, start_plain), frames, device=device)
    same = torch.stack([(ours == plain).float().mean() for ours, plain in pairs])
    report.number("pixels with the same label", 100 * same.mean().item(), "%")


def split_into(labels: NDArray[np.uint8], objects: int) -> NDArray[np.int64]:
    """Return a label map of `objects` objects: the labelled pixels, cut into vertical strips."""
    columns = np.flatnonzero((labels > 0).any(axis=0))
    strip = np.zeros(labels.shape[1], np.int64)
    for label, part in enumerate(np.array_split(columns, objects), start=1):
        strip[part] = label
    return np.where(labels > 0, strip, 0)


@torch.inference_mode()
def run_read(args: argparse.Namespace, report: Report) -> None:
    """Time the read of one object at several numbers of remembered frames."""
    device = set_up_device(args.device, args.no_tf32)
    for frames in READ_FRAMES:
        timing, difference = time_read(frames, GRID, args.top_k, args.turns, device)
        report.timing(f"read, {frames} frames", timing, "reads/s")
        report.number("largest difference", difference, "")


def time_read(
    frames: int, grid: Sequence[int], top_k: int, turns: int, device: torch.device = CPU
) -> tuple[Timing, float]:
    """Time our read and the plain one on the same random memory; also return their largest difference.

    Args:
        frames: number of remembered frames.
        grid: height and width of a frame in 16-pixel cells.
        top_k: number of memory positions per query.
        turns: number of timed reads.
        device: device that computes.
    """
    from model.fast_inference.top_k_read import fastest_read  # imports Numba

    torch.manual_seed(0)
    positions = frames * grid[0] * grid[1]
    key = torch.randn(1, positions, 128, device=device)
    value = torch.randn(1, positions, 512, device=device)
    query = torch.randn(1, grid[0] * grid[1], 128, device=device)
    keys, values, queries = (rows[0].T.contiguous() for rows in (key, value, query))

    def finished(readout: Tensor) -> Tensor:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return readout

    def ours(_: int) -> Tensor:
        return finished(fastest_read(key, value, query, width=grid[1], top_k=top_k))

    def plain(_: int) -> Tensor:
        return finished(read_plainly(keys, values, queries, top_k))

    difference = (ours(0)[0].T - plain(0)).abs().max().item()
    return time_alternately(ours, plain, itertools.repeat(0, turns + 1)), difference
