"""Rounds of the interactive engine against the plain core, and what a correction costs."""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from dataset.image_io import normalise
from dataset.masks.readers import read_label_map
from dataset.video_files.frame_source import open_source
from model import FusionNetwork, InteractiveCore, PropagationNetwork, load_fusion, load_network
from model.checkpoint import read_fusion, read_network
from scripts.benchmark.comparison import tf32
from scripts.benchmark.inference import add_video_flags, split_into
from scripts.benchmark.plain_interactive import PlainInteractive
from scripts.benchmark.timing import Report, in_turns
from util.device import add_device_flags, set_up_device
from util.errors import InputError
from util.flag_types import positive_int

QUERY_BYTES = 8 << 30  # room for all frames
SHIFT = 8  # pixels by which a correction moves the masks; what it costs does not depend on them


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `interactive` and its flags."""
    parser = commands.add_parser("interactive", help=__doc__, description=__doc__)
    add = parser.add_argument
    add_video_flags(add)
    add("--fusion", type=Path, help="weights (default: blending by distance)")
    add("--objects", type=positive_int, default=2, help="default: %(default)s")
    add("--frames", type=positive_int, default=40, help="of the rounds that are compared (default: 40)")
    add("--long", type=positive_int, default=101, help="frames of the video that is corrected (default: 101)")
    add("--amp", action="store_true", help="ours in reduced precision")
    add_device_flags(add)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, report: Report) -> None:
    """Compare two rounds, then measure what is done again after a correction.

    Raises:
        InputError: there are too few frames.
    """
    device = set_up_device(args)
    source = open_source(args.input)
    wanted = max(args.frames, args.long)
    frames = [normalise(source.read(index)) for index in range(min(wanted, len(source.names)))]
    if min(len(frames), args.frames, args.long) < 5:
        raise InputError(
            f"two rounds need 5 frames: give more of {args.input}, and larger --frames and --long."
        )
    mask = torch.from_numpy(split_into(read_label_map(args.mask), args.objects))
    network = load_network(args.model, device, args.amp)
    fusion = None if args.fusion is None else load_fusion(args.fusion, device, args.amp)
    plain_network = read_network(args.model).eval().to(device)
    plain_fusion = None if args.fusion is None else read_fusion(args.fusion).eval().to(device)
    few, many = frames[: args.frames], frames[: args.long]
    height, width = mask.shape
    name = f"{width} x {height}, {args.objects} objects{', amp' * args.amp}"

    with torch.inference_mode():
        plain = PlainInteractive(plain_network, few, args.objects, plain_fusion)
    core = InteractiveCore(network, few, fusion=fusion, query_bytes=QUERY_BYTES)
    compare_rounds(f"{name}, first round", core, plain, {0: mask}, args.no_tf32, report)
    middle = len(few) // 2
    corrected = {middle: core.label_map(middle).roll(SHIFT, dims=1).cpu()}
    compare_rounds(f"{name}, second round", core, plain, corrected, args.no_tf32, report)
    del plain
    measure_cache(f"{name}, second, cached or not", network, fusion, few, {0: mask}, corrected, report)
    measure_correction(InteractiveCore(network, many, fusion=fusion, query_bytes=QUERY_BYTES), mask, report)


def compare_rounds(
    name: str,
    core: InteractiveCore,
    plain: PlainInteractive,
    given: dict[int, Tensor],
    no_tf32: bool,
    report: Report,
) -> None:
    """Do a round both ways, frame by frame in turns, and report the pixels that have the same label.

    Args:
        name: of what is measured.
        core: ours.
        plain: the plain way, in the same state.
        given: the label map `H x W` of a frame.
        no_tf32: ours convolves in full float32.
        report: to add the measurements to.
    """
    settings = (not no_tf32, False), (True, True)
    steps = [one_by_one(each, given) for each in (core, plain)]
    done: list[list[int]] = [[], []]

    def step(way: int) -> Callable[[int], None]:
        def do(_: int) -> None:
            with tf32(*settings[way]):
                done[way].append(next(steps[way]))

        return do

    count = frames_of_round(core, given)
    timing = in_turns(step(0), step(1), range(count + 1))
    next(steps[0], None)  # the round ends
    next(steps[1], None)
    assert done[0] == done[1]
    report.timing(name, timing, "FPS")
    report.number("all of them together", sum(timing.plain) / sum(timing.ours), "times as fast")
    same = [(core.label_map(i) == plain.label_map(i)).float().mean().item() for i in done[0]]
    report.number("pixels with the same label", 100 * sum(same) / len(same), "%")


def measure_cache(
    name: str,
    network: PropagationNetwork,
    fusion: FusionNetwork | None,
    frames: Sequence[Tensor],
    first: dict[int, Tensor],
    second: dict[int, Tensor],
    report: Report,
) -> None:
    """Do the second round with the query encodings of the first one, and without.

    Args:
        name: of what is measured.
        network: to propagate.
        fusion: to fuse, if there is one.
        frames: of the video, `3 x H x W`.
        first: the label map of the frame that is given in the first round.
        second: that of the second.
        report: to add the measurements to.
    """
    steps = []
    for query_bytes in (QUERY_BYTES, 1):
        core = InteractiveCore(network, frames, fusion=fusion, query_bytes=query_bytes)
        list(one_by_one(core, first))
        count = frames_of_round(core, second)
        steps.append(one_by_one(core, second))
    cached, encoded = steps
    timing = in_turns(lambda _: next(cached), lambda _: next(encoded), range(count + 1))
    report.timing(name, timing, "FPS")
    report.number("all of them together", sum(timing.plain) / sum(timing.ours), "times as fast when cached")


def measure_correction(core: InteractiveCore, mask: Tensor, report: Report) -> None:
    """Correct the frame in the middle, between two given ones, and report what is done again.

    Args:
        core: fresh.
        mask: labels of the first frame, `H x W`.
        report: to add the measurements to.
    """
    count = len(core.frames)
    middle = count // 2
    start = time.perf_counter()
    whole = len(list(one_by_one(core, {0: mask})))
    first = time.perf_counter() - start
    for index in (middle - max(2, count // 10), middle + max(2, count // 10)):
        core.give(index, core.label_map(index))
    start = time.perf_counter()
    core.give(middle, core.label_map(middle).roll(SHIFT, dims=1))
    done = len([core.label_map(index).cpu() for index in core.propagate(sources=[middle])])
    again = time.perf_counter() - start
    report.number(f"a round over {count} frames: frames done", whole - 1, "")
    report.number("a correction in the middle, between two given frames: frames done", done, "")
    report.number("time of it, in parts of the whole round", 100 * again / first, "%")


def one_by_one(core: InteractiveCore | PlainInteractive, given: dict[int, Tensor]) -> Iterator[int]:
    """Give the mask of a frame, yield it, propagate, and yield each frame once its labels are known."""
    ((index, mask),) = given.items()
    core.give(index, mask)
    yield index
    for index in core.propagate():
        core.label_map(index).cpu()  # waits for a GPU
        yield index


def frames_of_round(core: InteractiveCore, given: dict[int, Tensor]) -> int:
    """Return how many frames a round with one given frame does."""
    ((index, _),) = given.items()
    others = [other for other in core.state.given if other != index]
    before = max((other for other in others if other < index), default=-1)
    after = min((other for other in others if other > index), default=len(core.frames))
    return after - before - 2
