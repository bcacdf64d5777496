"""Propagation through a video, and the memory read alone, against their plain formulations."""

import argparse
import copy
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset.frame_source import open_source
from dataset.image_io import normalise, read_label_map
from model import InferenceCore, PropagationNetwork
from model.checkpoint import load_file, load_state, network_state
from model.inference_network import prepare_for_inference
from model.memory import read
from scripts.plain_propagation import PlainCore, plain_read
from util.device import DEVICES, select_device
from util.evaluation_args import positive_int
from util.timing import Report, Timing, in_turns

READ_FRAMES = (1, 5, 10, 20, 40)  # remembered
GRID = (30, 54)  # of 854 x 480
CPU = torch.device("cpu")


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `inference` and `read` and their flags."""
    parser = commands.add_parser("inference", help="whole frames through the engine")
    parser.add_argument("--model", type=Path, required=True, help="two-object weights")
    parser.add_argument("--input", type=Path, required=True, help="video file or folder of frames")
    parser.add_argument("--mask", type=Path, required=True, help="labels of the first frame")
    parser.add_argument("--objects", type=positive_int, default=1, help="default: %(default)s")
    parser.add_argument("--frames", type=positive_int, default=40, help="default: %(default)s")
    parser.add_argument("--amp", action="store_true", help="ours in reduced precision")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: a GPU when there is one")
    parser.set_defaults(run=run_inference)
    parser = commands.add_parser("read", help="the memory read at 854 x 480")
    parser.add_argument("--top_k", type=positive_int, default=50, help="default: %(default)s")
    parser.add_argument("--turns", type=positive_int, default=5, help="default: %(default)s")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: a GPU when there is one")
    parser.set_defaults(run=run_read)


def run_inference(args: argparse.Namespace, report: Report) -> None:
    """Step both engines through the same frames in turns; print the speed and the pixels that differ."""
    plain_network = PropagationNetwork()
    load_state(plain_network, network_state(load_file(args.model)), args.model)
    device = select_device(args.device)
    plain_network.eval().to(device)
    our_network = prepare_for_inference(copy.deepcopy(plain_network), device, args.amp)
    ours, plain = InferenceCore(our_network), PlainCore(plain_network)
    labels: dict[str, list[Tensor]] = {"ours": [], "plain": []}

    def step_ours(frame: tuple[Tensor, Tensor | None]) -> None:
        labels["ours"].append(ours.label_map(ours.step(*frame)).cpu())

    def step_plain(frame: tuple[Tensor, Tensor | None]) -> None:
        labels["plain"].append(plain.step(*frame).argmax(dim=0).cpu())

    source = open_source(args.input)
    mask = torch.from_numpy(split_into(read_label_map(args.mask), args.objects))
    count = min(args.frames, len(source.names))
    frames = ((normalise(source.read(i)), mask if i == 0 else None) for i in range(count))
    timing = in_turns(step_ours, step_plain, frames)
    what = f"{mask.shape[1]} x {mask.shape[0]}, {args.objects} objects{', amp' * args.amp}"
    report.timing(what, timing, "FPS")
    report.number("all frames together", sum(timing.plain) / sum(timing.ours), "times as fast")
    same = torch.stack([(a == b).float().mean() for a, b in zip(*labels.values(), strict=True)])
    report.number("pixels with the same label", 100 * same.mean().item(), "%")
    report.number("pixels with the same label on the worst frame", 100 * same.min().item(), "%")
    report.number("remembered by ours", ours.bank.nbytes / 1e6, "MB")


def split_into(labels: NDArray[np.uint8], objects: int) -> NDArray[np.int64]:
    """Return a label map with exactly 1 to `objects`: what is labelled, cut into upright strips."""
    columns = np.flatnonzero((labels > 0).any(axis=0))
    strip = np.zeros(labels.shape[1], np.int64)
    for label, part in enumerate(np.array_split(columns, objects), start=1):
        strip[part] = label
    return np.where(labels > 0, strip, 0)


@torch.inference_mode()
def run_read(args: argparse.Namespace, report: Report) -> None:
    """Time the read of one object at several numbers of remembered frames."""
    device = select_device(args.device)
    for frames in READ_FRAMES:
        timing, difference = time_read(frames, GRID, args.top_k, args.turns, device)
        report.timing(f"read, {frames} frames", timing, "reads/s")
        report.number("largest difference", difference, "")


def time_read(
    frames: int, grid: Sequence[int], top_k: int, turns: int, device: torch.device = CPU
) -> tuple[Timing, float]:
    """Time our read and the plain one on the same random memory; also return their largest difference."""
    torch.manual_seed(0)
    positions = frames * grid[0] * grid[1]
    key = torch.randn(1, positions, 128, device=device)
    value = torch.randn(1, positions, 512, device=device)
    query = torch.randn(1, grid[0] * grid[1], 128, device=device)
    keys, values, queries = (rows[0].T.contiguous() for rows in (key, value, query))

    def ours(_: int) -> Tensor:
        return read(key, value, query, width=grid[1], top_k=top_k).cpu()  # waits for a GPU

    def plain(_: int) -> Tensor:
        return plain_read(keys, values, queries, top_k).cpu()

    difference = (ours(0)[0].T - plain(0)).abs().max().item()
    return in_turns(ours, plain, itertools.repeat(0, turns + 1)), difference
