"""The graphs of each network: inputs, outputs and dynamic dimensions, and how they are written."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim

from model.interactive.fusion import INPUTS as FUSION_INPUTS
from model.interactive.s2m import INPUTS as S2M_INPUTS
from model.network import PropagationNetwork
from scripts.onnx_export.propagation import EncodeMemory, EncodeQuery, Segment

OPSET = 18  # which PyTorch's exporter writes without a conversion
STRIDE = 16
H, W = 4, 6  # grid of the sample inputs
FRAME = ("image", "key", "compress_0", "compress_1", "skip_8", "skip_4")


class Graph(NamedTuple):
    """One ONNX file."""

    name: str  # of the file, without suffix
    module: nn.Module
    inputs: Mapping[str, Tensor]  # sample inputs by name, in order
    dynamic: tuple[dict[int, Any], ...]  # dynamic dimensions of each input, in the same order
    outputs: tuple[str, ...]  # names


def make_graphs(network: PropagationNetwork, top_k: int | None, km_sigma: float | None) -> list[Graph]:
    """Return the graphs of the propagation network; arguments as in `Segment`."""
    objects, frames, side = 2, 3, (STRIDE * H, STRIDE * W)
    height, width = STRIDE * Dim("h"), STRIDE * Dim("w")
    any_size, any_masks = {2: height, 3: width}, {0: Dim("objects"), 1: height, 2: width}
    image = torch.rand(1, 3, *side)
    # three tensors, since the exporter takes one that is given twice for one input
    frame = {"image": image, "masks": torch.rand(objects, *side), "others": torch.rand(objects, *side)}
    read = {
        "keys": torch.rand(objects, frames, H * W, 128),
        "values": torch.rand(objects, frames, H * W, 512, dtype=network.dtype),
        "key": torch.rand(1, H * W, 128),
        "compress_0": torch.rand(1, 512, H, W, dtype=network.dtype),
        "compress_1": torch.rand(1, 512, H, W, dtype=network.dtype),
        "skip_8": torch.rand(1, 512, 2 * H, 2 * W, dtype=network.dtype),
        "skip_4": torch.rand(1, 256, 4 * H, 4 * W, dtype=network.dtype),
    }
    memory, grid = dict.fromkeys(range(3), Dim.DYNAMIC), dict.fromkeys((2, 3), Dim.DYNAMIC)
    any_memory = (memory, memory, {1: Dim.DYNAMIC}, grid, grid, grid, grid)
    return [
        Graph("encode_query", EncodeQuery(network), {"image": image}, (any_size,), FRAME[1:]),
        Graph(
            "encode_memory",
            EncodeMemory(network),
            frame,
            (any_size, any_masks, any_masks),
            ("keys", "values"),
        ),
        Graph("segment", Segment(network, top_k, km_sigma), read, any_memory, ("logits",)),
    ]


def make_s2m_graph(network: nn.Module) -> Graph:
    """Return the graph of the scribble-to-mask network."""
    x = torch.rand(2, S2M_INPUTS, STRIDE * H, STRIDE * W)
    dynamic = {0: Dim("batch"), 2: STRIDE * Dim("h"), 3: STRIDE * Dim("w")}
    return Graph("s2m", network, {"frame_and_scribbles": x}, (dynamic,), ("logits",))


def make_fusion_graph(network: nn.Module) -> Graph:
    """Return the graph of the fusion network."""
    x = torch.rand(2, FUSION_INPUTS, 40, 56)
    dynamic = {0: Dim("batch"), 2: Dim("height"), 3: Dim("width")}
    return Graph("fusion", network, {"frame_and_masks": x}, (dynamic,), ("logits",))


def write_graph(graph: Graph, path: Path, metadata: Mapping[str, str]) -> None:
    """Export a graph to a file with metadata, and check the file."""
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about dimension names that inputs share
        program = torch.onnx.export(
            graph.module.eval(),
            tuple(graph.inputs.values()),
            dynamo=True,
            dynamic_shapes=graph.dynamic,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update({"graph": graph.name, **metadata})
    program.save(path)
    onnx.checker.check_model(path, full_check=True)
