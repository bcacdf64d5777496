"""Run exported graphs and PyTorch on the same video, and compare masks, probabilities and speed."""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import torch

from dataset.video import Frame
from dataset.video_dataset import open_user_video
from model import InferenceCore, load_network
from scripts.benchmark.timing import describe_machine, time_alternately
from scripts.onnx_runtime.engine import Engine, Graphs
from util.errors import InputError, run_script
from util.files import sha256
from util.flag_types import add_shared, positive_int, script_parser


def main() -> None:
    """Parse the flags and compare."""
    example = "python -m scripts.compare_onnx --graphs export --model W.pth --input frames --masks first.png"
    parser = script_parser(__doc__, example)
    add = parser.add_argument_group("networks").add_argument
    add_shared(add, "graphs")
    add("--model", type=Path, required=True, help="weights of the exported network")
    add = parser.add_argument_group("video and masks").add_argument
    add_shared(add, "input", "masks")
    add("--max_frames", type=positive_int, help="only the first frames of the video")
    add_shared(
        parser.add_argument_group("network and memory").add_argument, "size", "mem_every", "no_previous"
    )
    compare(parser.parse_args())


def compare(args: argparse.Namespace) -> None:
    """Step both engines through the video alternately, and print how they differ."""
    graphs = Graphs(args.graphs)
    if graphs.metadata["weights_sha256"] != sha256(args.model):
        raise InputError(f"the graphs in {args.graphs} are not those of {args.model}: export it again.")
    top_k, km_sigma = graphs.metadata["top_k"], graphs.metadata["km_sigma"]
    memory = {"mem_every": args.mem_every, "remember_previous": not args.no_previous}
    engine = Engine(graphs, **memory)
    core = InferenceCore(
        load_network(args.model),
        **memory,
        top_k=None if top_k == "None" else int(top_k),
        km_sigma=None if km_sigma == "None" else float(km_sigma),
    )
    video = open_user_video(args.input, args.masks, short_side=args.size).forward
    probs: dict[str, torch.Tensor] = {}
    same: list[float] = []
    differences: list[float] = []

    def by_onnxruntime(frame: Frame) -> None:
        mask = None if frame.mask is None else frame.mask.numpy()
        probs["onnx"] = torch.from_numpy(engine.step(frame.image.numpy(), mask))

    def by_pytorch(frame: Frame) -> None:
        probs["torch"] = core.step(frame.image, frame.mask)

    def compared() -> Iterator[Frame]:
        for frame in islice(video, args.max_frames):
            yield frame
            labels, expected = (core.label_map(probs[name], frame.size) for name in ("onnx", "torch"))
            same.append((labels == expected).float().mean().item())
            differences.append((probs["onnx"] - probs["torch"]).abs().max().item())

    print(describe_machine())
    timing = time_alternately(by_onnxruntime, by_pytorch, compared())
    if not timing.ours:
        raise InputError(f"{args.input} has one frame from its first mask on: give more.")
    height, width = core.size or (0, 0)
    remembered = max(len(memory.permanent) for memory in engine.memories)
    print(
        f"{width} x {height}, {len(core.labels)} objects, {len(same)} frames, {remembered} remembered:\n"
        f"onnxruntime {1 / median(timing.ours):.2f} FPS, PyTorch {1 / median(timing.plain):.2f} FPS, "
        f"{timing.ratio:.2f} times as fast\n"
        f"same label: {100 * np.mean(same):.4f} % of pixels, {100 * min(same):.4f} % on the worst frame\n"
        f"probabilities differ by at most {max(differences):.2g}"
    )


if __name__ == "__main__":
    run_script(main)
