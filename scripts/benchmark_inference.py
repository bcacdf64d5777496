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
from model.fuse import fold_batch_norm
from model.memory import read
from scripts.plain_propagation import PlainCore, plain_read
from util.evaluation_args import positive_int
from util.timing import HEADER, Timing, in_turns

READ_FRAMES = (1, 5, 10, 20, 40)  # remembered
GRID = (30, 54)  # of 854 x 480


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `inference` and `read` and their flags."""
    parser = commands.add_parser("inference", help="whole frames through the engine")
    parser.add_argument("--model", type=Path, required=True, help="two-object weights")
    parser.add_argument("--input", type=Path, required=True, help="video file or folder of frames")
    parser.add_argument("--mask", type=Path, required=True, help="labels of the first frame")
    parser.add_argument("--objects", type=positive_int, default=1, help="default: %(default)s")
    parser.add_argument("--frames", type=positive_int, default=40, help="default: %(default)s")
    parser.add_argument("--amp", action="store_true", help="ours in reduced precision")
    parser.set_defaults(run=run_inference)
    parser = commands.add_parser("read", help="the memory read at 854 x 480")
    parser.add_argument("--top_k", type=positive_int, default=50, help="default: %(default)s")
    parser.add_argument("--turns", type=positive_int, default=5, help="default: %(default)s")
    parser.set_defaults(run=run_read)


def run_inference(args: argparse.Namespace) -> None:
    """Step both engines through the same frames in turns; print the speed and the pixels that differ."""
    plain_network = PropagationNetwork()
    load_state(plain_network, network_state(load_file(args.model)), args.model)
    plain_network.eval()
    our_network = fold_batch_norm(copy.deepcopy(plain_network)).to(memory_format=torch.channels_last)
    ours, plain = InferenceCore(our_network, amp=args.amp), PlainCore(plain_network)
    labels: dict[str, list[Tensor]] = {"ours": [], "plain": []}

    def step_ours(frame: tuple[Tensor, Tensor | None]) -> None:
        labels["ours"].append(ours.label_map(ours.step(*frame)))

    def step_plain(frame: tuple[Tensor, Tensor | None]) -> None:
        labels["plain"].append(plain.step(*frame).argmax(dim=0))

    source = open_source(args.input)
    mask = torch.from_numpy(split_into(read_label_map(args.mask), args.objects))
    count = min(args.frames, len(source.names))
    frames = ((normalise(source.read(i)), mask if i == 0 else None) for i in range(count))
    print(f"{args.objects} objects, {count} frames, {mask.shape[1]} x {mask.shape[0]}{', amp' * args.amp}")
    print(HEADER)
    timing = in_turns(step_ours, step_plain, frames)
    print(timing.row("inference", "FPS"))
    print(f"all frames together: {sum(timing.plain) / sum(timing.ours):.2f} x")
    same = torch.stack([(a == b).float().mean() for a, b in zip(*labels.values(), strict=True)])
    print(f"pixels with the same label: {100 * same.mean():.4f} %, worst frame {100 * same.min():.4f} %")


def split_into(labels: NDArray[np.uint8], objects: int) -> NDArray[np.int64]:
    """Return a label map with exactly 1 to `objects`: what is labelled, cut into upright strips."""
    columns = np.flatnonzero((labels > 0).any(axis=0))
    strip = np.zeros(labels.shape[1], np.int64)
    for label, part in enumerate(np.array_split(columns, objects), start=1):
        strip[part] = label
    return np.where(labels > 0, strip, 0)


@torch.inference_mode()
def run_read(args: argparse.Namespace) -> None:
    """Time the read of one object at several numbers of remembered frames."""
    print(HEADER)
    for frames in READ_FRAMES:
        timing, difference = time_read(frames, GRID, args.top_k, args.turns)
        print(timing.row(f"read, {frames} frames, largest error {difference:.0e}", "reads/s"))


def time_read(
    frames: int, grid: Sequence[int], top_k: int, turns: int, device: str = "cpu"
) -> tuple[Timing, float]:
    """Time our read and the plain one on the same random memory; also return their largest difference."""
    torch.manual_seed(0)
    positions = frames * grid[0] * grid[1]
    key = torch.randn(1, positions, 128, device=device)
    value = torch.randn(1, positions, 512, device=device)
    query = torch.randn(1, grid[0] * grid[1], 128, device=device)
    keys, values, queries = (rows[0].T.contiguous() for rows in (key, value, query))

    def ours(_: int) -> Tensor:
        return read(key, value, query, width=grid[1], top_k=top_k)

    def plain(_: int) -> Tensor:
        return plain_read(keys, values, queries, top_k)

    difference = (ours(0)[0].T - plain(0)).abs().max().item()
    return in_turns(ours, plain, itertools.repeat(0, turns + 1)), difference
