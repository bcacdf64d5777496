"""The graphs of each network: their inputs, outputs and dynamic dimensions, and how they become files."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from model.interactive.fusion import INPUTS as FUSION_INPUTS
from model.interactive.s2m import INPUTS as S2M_INPUTS
from model.network import PropagationNetwork
from scripts.onnx_export.propagation import EncodeMemory, EncodeQuery, Segment

OPSET = 18  # that PyTorch's exporter writes without a conversion
STRIDE = 16
SAMPLE = 4, 6  # grid of the inputs that the exporter follows through the network
FRAME = ("image", "key", "compress_0", "compress_1", "skip_8", "skip_4")

Shape = dict[int, Any]


@dataclass(frozen=True)
class Graph:
    """One ONNX file.

    Attributes:
        name: of the file, without suffix.
        module: that is exported, in eval mode.
        inputs: sample inputs by name, in order.
        dynamic: the dynamic dimensions of each input, in the same order.
        outputs: their names.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    dynamic: tuple[Shape, ...]
    outputs: tuple[str, ...]


def propagation_graphs(network: PropagationNetwork, top_k: int | None, km_sigma: float | None) -> list[Graph]:
    """Return the graphs of the propagation network; arguments as of `Segment`."""
    h, w = SAMPLE
    objects, frames = 2, 3
    any_size = {2: STRIDE * Dim("h"), 3: STRIDE * Dim("w")}
    any_masks = {0: Dim("objects"), 1: any_size[2], 2: any_size[3]}
    image, masks = torch.rand(1, 3, STRIDE * h, STRIDE * w), torch.rand(objects, STRIDE * h, STRIDE * w)

    def feature(*shape: int) -> Tensor:
        return torch.rand(shape, dtype=network.dtype)

    read = {
        "keys": torch.rand(objects, frames, h * w, 128),
        "values": feature(objects, frames, h * w, 512),
        "key": torch.rand(1, h * w, 128),
        **{name: feature(1, 512, h, w) for name in ("compress_0", "compress_1")},
        "skip_8": feature(1, 512, 2 * h, 2 * w),
        "skip_4": feature(1, 256, 4 * h, 4 * w),
    }
    grid = {2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    memory = dict.fromkeys(range(3), Dim.DYNAMIC)
    of_read = (memory, memory, {1: Dim.DYNAMIC}, grid, grid, grid, grid)
    encode_query, encode_memory = EncodeQuery(network), EncodeMemory(network)
    # three tensors: the exporter takes one that is given twice for one input
    given = {"image": image, "masks": masks, "others": torch.rand_like(masks)}
    return [
        Graph("encode_query", encode_query, {"image": image}, (any_size,), FRAME[1:]),
        Graph("encode_memory", encode_memory, given, (any_size, any_masks, any_masks), ("keys", "values")),
        Graph("segment", Segment(network, top_k, km_sigma), read, of_read, ("logits",)),
    ]


def s2m_graphs(network: nn.Module) -> list[Graph]:
    """Return the one graph of the scribble-to-mask network."""
    x = torch.rand(2, S2M_INPUTS, *(STRIDE * side for side in SAMPLE))
    dynamic = {0: Dim("batch"), 2: STRIDE * Dim("h"), 3: STRIDE * Dim("w")}
    return [Graph("s2m", network, {"frame_and_scribbles": x}, (dynamic,), ("logits",))]


def fusion_graphs(network: nn.Module) -> list[Graph]:
    """Return the one graph of the fusion network."""
    x = torch.rand(2, FUSION_INPUTS, 40, 56)
    dynamic = {0: Dim("batch"), 2: Dim("height"), 3: Dim("width")}
    return [Graph("fusion", network, {"frame_and_masks": x}, (dynamic,), ("logits",))]


def write_graph(graph: Graph, path: Path, metadata: Mapping[str, str]) -> None:
    """Export a graph to a file, with text that describes it, and check the file."""
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that one name stands for equal dimensions of several inputs
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
