"""Run exported graphs and PyTorch on the same video, and compare masks, probabilities and speed."""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from dataset.video import Frame, Video
from dataset.video_dataset import open_user_video
from model import InferenceCore, load_network
from scripts.benchmark.inference import split_into
from scripts.benchmark.timing import in_turns, machine
from scripts.onnx_runtime.engine import Engine
from scripts.onnx_runtime.graphs import Graphs
from util.errors import InputError, run_script
from util.files import sha256
from util.flag_types import positive_int, script_parser


def main() -> None:
    """Parse the flags and compare."""
    example = "python -m scripts.compare_onnx --graphs export --model W.pth --input frames --masks first.png"
    parser = script_parser(__doc__, example)
    add = parser.add_argument
    add("--graphs", type=Path, required=True, help="folder of graphs from scripts.export_onnx")
    add("--model", type=Path, required=True, help="weights of the exported network")
    add("--input", type=Path, required=True, help="video file, or folder of pictures")
    add("--masks", type=Path, required=True, help="a PNG, or a folder of PNGs named after their frames")
    add("--objects", type=positive_int, help="cut the first mask into this number of objects")
    add("--frames", type=positive_int, help="only the first frames")
    add("--size", type=positive_int, default=480, help="shorter side for the network (default: %(default)s)")
    add("--mem_every", type=positive_int, default=5, help="remember every n-th frame (default: %(default)s)")
    add("--no_previous", action="store_true", help="do not keep the previous frame in memory")
    compare(parser.parse_args())


def compare(args: argparse.Namespace) -> None:
    """Step both engines through the video by turns, and print what was measured."""
    graphs = Graphs(args.graphs)
    if graphs.metadata["weights_sha256"] != sha256(args.model):
        raise InputError(f"the graphs in {args.graphs} are not those of {args.model}: export it again.")
    video = open_user_video(args.input, args.masks, short_side=args.size).forward
    options: dict[str, Any] = {"mem_every": args.mem_every, "remember_previous": not args.no_previous}
    exported = Engine(graphs, **options)
    core = InferenceCore(load_network(args.model), **options, **read_settings(graphs))
    results: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    same: list[float] = []
    differences: list[float] = []

    def by_onnxruntime(frame: Frame) -> None:
        prob = exported.step(frame.image.numpy(), None if frame.mask is None else frame.mask.numpy())
        results["onnx"] = torch.from_numpy(prob), torch.from_numpy(exported.label_map(prob, frame.size))

    def by_pytorch(frame: Frame) -> None:
        prob = core.step(frame.image, frame.mask)
        results["torch"] = prob, core.label_map(prob, frame.size)

    def compared() -> Iterator[Frame]:
        for frame in islice(frames_of(video, args.objects), args.frames):
            yield frame
            (prob, labels), (expected, expected_labels) = results["onnx"], results["torch"]
            same.append((labels == expected_labels).float().mean().item())
            differences.append((prob - expected).abs().max().item())

    print(machine())
    timing = in_turns(by_onnxruntime, by_pytorch, compared())
    if not timing.ours:
        raise InputError(f"{args.input} has one frame from its first mask on: give more.")
    height, width = core.size or (0, 0)
    remembered = max(len(memory.times) for memory in exported.memories)
    print(
        f"{width} x {height}, {len(core.labels)} objects, {len(same)} frames, {remembered} remembered:\n"
        f"onnxruntime {1 / median(timing.ours):.2f} FPS, PyTorch {1 / median(timing.plain):.2f} FPS, "
        f"{timing.ratio:.2f} times as fast\n"
        f"same label: {100 * np.mean(same):.4f} % of pixels, {100 * min(same):.4f} % on the worst frame\n"
        f"probabilities differ by at most {max(differences):.2g}"
    )


def read_settings(graphs: Graphs) -> dict[str, Any]:
    """Return the settings of the memory read that were exported, as arguments of `InferenceCore`."""
    kinds = {"top_k": int, "km_sigma": float}
    texts = {name: graphs.metadata[name] for name in kinds}
    return {name: None if text == "None" else kinds[name](text) for name, text in texts.items()}


def frames_of(video: Video, objects: int | None) -> Iterator[Frame]:
    """Yield the frames of a video with their masks, or the first one's cut into so many objects."""
    for index, frame in enumerate(video):
        if objects is None:
            yield frame
        else:
            mask = None
            if index == 0 and frame.mask is not None:
                mask = torch.from_numpy(split_into(frame.mask.numpy(), objects))
            yield Frame(frame.name, frame.image, mask, frame.picture)


if __name__ == "__main__":
    run_script(main)
