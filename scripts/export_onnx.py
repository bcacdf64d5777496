"""Export a network as ONNX graphs, for programs without Python or PyTorch.

The propagation network becomes encode_query.onnx, encode_memory.onnx and segment.onnx, which serve frames of
any size, any number of objects and any number of remembered frames (docs/EXPORT.md). S2M and fusion become
one graph each.
"""

import argparse
import logging
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from dataset.image_io import MEAN, STD
from model.checkpoint import KINDS, network_state, read_fusion, read_network, read_s2m
from model.checkpoint_file import load_file
from model.fast_inference.preparation import fold_batch_norm
from model.interactive.fusion import FusionNetwork
from model.interactive.s2m import S2MNetwork
from model.network import PropagationNetwork
from scripts.evaluation.flags import add_kernel_flags, add_top_k_flags
from scripts.onnx_export.graphs import (
    STRIDE,
    Graph,
    fusion_graphs,
    propagation_graphs,
    s2m_graphs,
    write_graph,
)
from util.errors import InputError, run_script
from util.files import atomic_path, sha256
from util.flag_types import script_parser

PACKAGES = ("onnx", "onnxscript")


class Source(NamedTuple):
    """What --which chooses: a network, where its weights are by default, and the files that it becomes."""

    network: type[nn.Module]
    read: Callable[[Path], Any]
    weights: Path
    names: tuple[str, ...]


SOURCES = {
    "propagation": Source(
        PropagationNetwork,
        read_network,
        Path("saves/propagation_model.pth"),
        ("encode_query", "encode_memory", "segment"),
    ),
    "s2m": Source(S2MNetwork, read_s2m, Path("saves/s2m.pth"), ("s2m",)),
    "fusion": Source(FusionNetwork, read_fusion, Path("saves/fusion.pth"), ("fusion",)),
}


def main() -> None:
    """Parse the flags and export."""
    parser = script_parser(
        __doc__, "python -m scripts.export_onnx --model saves/propagation_model.pth --output export"
    )
    add = parser.add_argument
    add("--which", choices=SOURCES, default="propagation", help="network to export (default: %(default)s)")
    add("--model", type=Path, help="weights (default: saves/propagation_model.pth, s2m.pth or fusion.pth)")
    add("--output", type=Path, required=True, help="folder of the graphs")
    add("--half", action="store_true", help="weights and features in half precision, for GPUs")
    add = parser.add_argument_group("memory read of the propagation network").add_argument
    add_top_k_flags(add)
    add_kernel_flags(add)
    export(parser.parse_args())


def export(args: argparse.Namespace) -> None:
    """Check what can be checked, then write all graphs of the network, or none of them."""
    source = SOURCES[args.which]
    weights = args.model or source.weights
    paths = [args.output / f"{name}.onnx" for name in source.names]
    for path in paths:
        if path.exists():
            raise InputError(f"{path} exists: remove it, or give another folder as --output.")
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise InputError(f"an export needs {' and '.join(missing)}: run `pip install {' '.join(PACKAGES)}`.")
    check_kind(source, weights)
    network = fold_batch_norm(source.read(weights).eval().requires_grad_(False))
    if args.half:
        network.half()
    read = {
        "top_k": None if args.no_top else args.top_k,
        "km_sigma": args.km_sigma if args.use_km else None,
    }
    metadata = {
        "mean": ", ".join(map(str, MEAN)),
        "std": ", ".join(map(str, STD)),
        "stride": str(STRIDE),
        "weights_sha256": sha256(weights),
    }
    if args.which == "propagation":
        metadata |= {name: str(value) for name, value in read.items()}
    for talkative in ("onnxscript", "onnx_ir"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    with ExitStack() as files:
        for graph, path in zip(graphs_of(network, read), paths, strict=True):
            write_graph(graph, files.enter_context(atomic_path(path)), metadata)
    print(f"{', '.join(path.name for path in paths)}: {args.output}")


def check_kind(source: Source, weights: Path) -> None:
    """Make sure that weights are of the network that is to be exported.

    Raises:
        InputError: they are of another, or no checkpoint.
    """
    state = network_state(load_file(weights))
    for which, other in SOURCES.items():
        kind = KINDS[other.network]
        if other is not source and kind.sign in state and KINDS[source.network].sign not in state:
            raise InputError(f"{weights} is of the {kind.title}: export it with --which {which}.")


def graphs_of(network: nn.Module, read: dict[str, Any]) -> list[Graph]:
    """Return the graphs of a network; `read` holds the settings of the memory read."""
    if isinstance(network, PropagationNetwork):
        return propagation_graphs(network, **read)
    return s2m_graphs(network) if isinstance(network, S2MNetwork) else fusion_graphs(network)


if __name__ == "__main__":
    run_script(main)
