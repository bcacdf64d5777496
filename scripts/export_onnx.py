"""Export a network as ONNX graphs, for programs without Python or PyTorch.

The propagation network becomes encode_query.onnx, encode_memory.onnx and segment.onnx, which take frames of
any size, any number of objects and any number of remembered frames (docs/EXPORT.md). S2M and fusion become
one graph each.
"""

import argparse
import logging
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dataset.image_io import MEAN, STD
from model.checkpoint import read_fusion, read_network, read_s2m
from model.fast_inference.preparation import fold_batch_norm
from scripts.evaluation.flags import add_kernel_flags, add_top_k_flags
from scripts.onnx_export.graphs import STRIDE, make_fusion_graph, make_graphs, make_s2m_graph, write_graph
from util.data_roots import WEIGHTS
from util.errors import InputError, run_script
from util.files import atomic_path, sha256
from util.flag_types import script_parser

PACKAGES = ("onnx", "onnxscript")
READERS = {"propagation": read_network, "s2m": read_s2m, "fusion": read_fusion}


def main() -> None:
    """Parse the flags and export."""
    example = "python -m scripts.export_onnx --model saves/propagation_model.pth --output export"
    parser = script_parser(__doc__, example)
    add = parser.add_argument_group("network and files").add_argument
    add("--which", choices=WEIGHTS, default="propagation", help="network to export (default: %(default)s)")
    add("--model", type=Path, help=f"weights (default: {', '.join(map(str, WEIGHTS.values()))})")
    add("--output", type=Path, required=True, help="folder of the graphs")
    add("--half", action="store_true", help="weights and features in half precision, for GPUs")
    add = parser.add_argument_group("memory read of the propagation network").add_argument
    add_top_k_flags(add)
    add_kernel_flags(add)
    export(parser.parse_args())


def export(args: argparse.Namespace) -> None:
    """Write all graphs of the network, or none of them."""
    if absent := [package for package in PACKAGES if find_spec(package) is None]:
        raise InputError(f"an export needs {' and '.join(absent)}: run `pip install {' '.join(PACKAGES)}`.")
    weights = args.model or WEIGHTS[args.which]
    read: Callable[[Path], Any] = READERS[args.which]
    network = fold_batch_norm(read(weights).eval().requires_grad_(False))
    if args.half:
        network.half()
    metadata = {
        "mean": ", ".join(map(str, MEAN)),
        "std": ", ".join(map(str, STD)),
        "stride": str(STRIDE),
        "weights_sha256": sha256(weights),
    }
    if args.which == "propagation":
        top_k, km_sigma = None if args.no_top else args.top_k, args.km_sigma if args.use_km else None
        graphs = make_graphs(network, top_k, km_sigma)
        metadata |= {"top_k": str(top_k), "km_sigma": str(km_sigma)}
    else:
        graphs = [make_s2m_graph(network) if args.which == "s2m" else make_fusion_graph(network)]
    paths = [args.output / f"{graph.name}.onnx" for graph in graphs]
    if existing := [path for path in paths if path.exists()]:
        raise InputError(f"{existing[0]} exists: remove it, or give another folder as --output.")
    for talkative in ("onnxscript", "onnx_ir"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    with ExitStack() as files:
        for graph, path in zip(graphs, paths, strict=True):
            write_graph(graph, files.enter_context(atomic_path(path)), metadata)
    print(f"{', '.join(path.name for path in paths)}: {args.output}")


if __name__ == "__main__":
    run_script(main)
