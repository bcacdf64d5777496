"""Rounds of the interactive engine against the plain way to take them."""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from dataset.frame_source import open_source
from dataset.image_io import normalise, read_label_map
from model import InteractiveCore, load_network
from model.checkpoint import read_network
from scripts.benchmark.comparison import wait_for
from scripts.benchmark.inference import split_into
from scripts.benchmark.plain_interactive import PlainInteractiveCore
from scripts.benchmark.timing import Report, in_turns
from util.device import add_device_flags, set_up_device
from util.errors import InputError
from util.flag_types import positive_int

FEWEST = 4  # frames that leave something between three given ones


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `interactive` and its flags."""
    parser = commands.add_parser("interactive", help="rounds of the interactive engine", description=__doc__)
    add = parser.add_argument
    add("--model", type=Path, required=True, help="weights")
    add("--input", type=Path, required=True, help="video file or folder of frames")
    add("--mask", type=Path, required=True, help="labels of the first frame")
    add("--objects", type=positive_int, default=2, help="default: %(default)s")
    add("--frames", type=positive_int, default=40, help="default: %(default)s")
    add("--amp", action="store_true", help="ours in reduced precision")
    add_device_flags(add)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, report: Report) -> None:
    """Give the first frame, then the last, then one in the middle, and time the frames of each round.

    Raises:
        InputError: there are too few frames.
    """
    device = set_up_device(args)
    source = open_source(args.input)
    frames = [normalise(source.read(i)) for i in range(min(args.frames, len(source.names)))]
    if len(frames) < FEWEST:
        raise InputError(f"{args.input} has too few frames for rounds: give {FEWEST} --frames or more.")
    mask = torch.from_numpy(split_into(read_label_map(args.mask), args.objects))
    ours = InteractiveCore(load_network(args.model, device, args.amp), frames, range(1, args.objects + 1))
    plain = PlainInteractiveCore(read_network(args.model).eval().to(device), frames, args.objects)

    def our_round(index: int) -> Iterator[int]:
        ours.give(index, mask)
        for frame in ours.propagate():
            wait_for(device)
            yield frame

    def plain_round(index: int) -> Iterator[int]:
        for frame in plain.propagate(index, mask.to(device)):
            wait_for(device)
            yield frame

    name = f"{args.objects} objects{', amp' * args.amp}"
    for title, index in (("first", 0), ("second", len(frames) - 1), ("third", len(frames) // 2)):
        between = frames_of_round(index, ours.state.given, len(frames))
        our_frames, plain_frames = our_round(index), plain_round(index)
        timing = in_turns(partial(next_of, our_frames), partial(next_of, plain_frames), range(between))
        for each in (our_frames, plain_frames):  # to their ends: what a round has to finish is done then
            list(each)
        report.timing(f"{title} round, {name}, {between} frames", timing, "FPS")
        report.number("all of them together", sum(timing.plain) / sum(timing.ours), "times as fast")
    same = torch.stack([same_labels(ours.label_map(i), plain.label_map(i)) for i in range(len(frames))])
    report.number("pixels with the same label", 100 * same.mean().item(), "%")


def frames_of_round(index: int, given: list[int], count: int) -> int:
    """Return how many frames lie between a frame and its neighbours that were given, or the ends."""
    before = max((frame for frame in given if frame < index), default=-1)
    behind = min((frame for frame in given if frame > index), default=count)
    return behind - before - 2


def next_of(frames: Iterator[int], _: int) -> int:
    """Do the next frame of a round."""
    return next(frames)


def same_labels(first: Tensor, second: Tensor) -> Tensor:
    """Return the share of pixels with the same label."""
    return (first.cpu() == second.cpu()).float().mean()
