"""Measures the rounds of the interactive engine and of a plain formulation."""

import argparse
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dataset.image_io import normalise
from dataset.masks.readers import read_label_map
from dataset.video_files.frame_source import open_source
from model import InteractiveCore, load_network
from model.checkpoint import read_network
from scripts.benchmark.inference import VIDEO_EXAMPLE, add_video_flags, split_into
from scripts.benchmark.plain_interactive import PlainInteractive
from scripts.benchmark.timing import Report, tf32, time_alternately
from util.device import AMP_HELP, add_device_flags, set_up_device
from util.errors import InputError
from util.flag_types import help_texts, positive_int

QUERY_BYTES = 8 << 30  # space for all frames
SHIFT = 8  # pixels by which a correction moves the masks; the time does not depend on it


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `interactive` and its flags."""
    what = "rounds of the interactive engine"
    example = f"python -m scripts.benchmark interactive {VIDEO_EXAMPLE}"
    parser = commands.add_parser("interactive", help=what, **help_texts(what, example))
    add = parser.add_argument
    add_video_flags(add)
    add("--objects", type=positive_int, default=2, help="number of objects (default: %(default)s)")
    add("--frames", type=positive_int, default=40, help="number of frames (default: %(default)s)")
    add("--amp", action="store_true", help=AMP_HELP)
    add_device_flags(add)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, report: Report) -> None:
    """Compare two rounds, of which the second corrects the middle frame; raise InputError for few frames."""
    device = set_up_device(args.device, args.no_tf32)
    source = open_source(args.input)
    frames = [normalise(source.read(index)) for index in range(min(args.frames, len(source.names)))]
    if len(frames) < 5:
        raise InputError(f"two rounds need 5 frames: give more of {args.input}, and larger --frames.")
    mask = torch.from_numpy(split_into(read_label_map(args.mask), args.objects))
    height, width = mask.shape
    name = f"{width} x {height}, {args.objects} objects{', amp' * args.amp}"

    with torch.inference_mode():
        plain_network = read_network(args.model).eval().to(device)
        plain = PlainInteractive(plain_network, frames, args.objects)
    network = load_network(args.model, device, args.amp)
    core = InteractiveCore(network, frames, query_bytes=QUERY_BYTES)
    compare_rounds(f"{name}, first round", core, plain, 0, mask, args.no_tf32, report)
    middle = len(frames) // 2
    corrected = core.label_map(middle).roll(SHIFT, dims=1).cpu()
    compare_rounds(f"{name}, second round", core, plain, middle, corrected, args.no_tf32, report)


def compare_rounds(
    name: str,
    core: InteractiveCore,
    plain: PlainInteractive,
    index: int,
    mask: Tensor,
    no_tf32: bool,
    report: Report,
) -> None:
    """Time a round of both engines frame by frame, alternately; also report the pixels with the same label.

    Args:
        name: name of the round.
        core: our engine.
        plain: the plain engine, with the same frames.
        index: index of the frame whose mask is given.
        mask: label map of that frame, `H x W`.
        no_tf32: whether ours computes in full float32 on a GPU.
        report: report to extend.
    """
    settings = (not no_tf32, False), (True, True)
    steps = [one_by_one(each, index, mask) for each in (core, plain)]
    done: list[list[int]] = [[], []]

    def step(way: int) -> Callable[[int], None]:
        def do(_: int) -> None:
            with tf32(*settings[way]):
                done[way].append(next(steps[way]))

        return do

    frames = len(core.frames) if index == 0 else len(core.frames) - 1  # the first frame keeps its mask
    timing = time_alternately(step(0), step(1), range(frames))
    next(steps[0], None)  # the round ends
    next(steps[1], None)
    assert done[0] == done[1]
    report.timing(name, timing, "FPS")
    same = [(core.label_map(i) == plain.label_map(i)).float().mean().item() for i in done[0]]
    report.number("pixels with the same label", 100 * sum(same) / len(same), "%")


def one_by_one(core: InteractiveCore | PlainInteractive, index: int, mask: Tensor) -> Iterator[int]:
    """Give the mask of a frame, propagate it, and yield each frame when its labels are known."""
    core.give(index, mask)
    yield index
    for index in core.propagate():
        core.label_map(index).cpu()  # waits for a GPU
        yield index
