"""Exported graphs and the engine that runs them, against PyTorch."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from dataset.image_io import denormalise
from model import InferenceCore
from model.memory import read
from scripts.onnx_export.graphs import propagation_graphs, write_graph
from scripts.onnx_runtime.engine import Engine
from scripts.onnx_runtime.graphs import Graphs, open_graph
from tests.conftest import ROOT, read_png, run_main, slow, write_frames, write_labels
from tests.model.interactive_networks import fusion_network, s2m_network
from util.errors import InputError

MODULE = "scripts.export_onnx"
WITHOUT_TORCH = """
import runpy, sys
for module in ("torch", "cv2", "scipy", "numba"):
    sys.modules[module] = None  # importing it fails
runpy.run_module("scripts.onnx_runtime", run_name="__main__")
"""


@pytest.fixture(scope="module")
def folder(weights_file, tmp_path_factory):
    """The golden weights as graphs, which keep the best 50 positions."""
    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        run_main(patch, MODULE, "--model", weights_file, "--output", folder)
    return folder


@pytest.fixture(scope="module")
def graphs(folder):
    return Graphs(folder)


def close(ours, expected):
    torch.testing.assert_close(torch.from_numpy(ours), expected, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("grid", "objects", "frames"),
    [
        ((6, 3), 5, 2),  # fewer positions than the top k
        ((3, 2), 1, 1),
        ((5, 11), 2, 7),
        slow((15, 27), 5, 60),  # 240p
        slow((30, 54), 1, 60),  # 854 x 480
        slow((54, 30), 5, 2),
        slow((30, 40), 3, 10),
    ],
)
@torch.inference_mode()
def test_graphs_compute_what_the_network_does(grid, objects, frames, graphs, network):
    torch.manual_seed(0)
    height, width = (16 * side for side in grid)
    images = torch.randn(frames + 1, 1, 3, height, width)
    masks = torch.rand(frames, objects, height, width)
    query = graphs.encode_query(images[-1].numpy())
    expected = network.encode_query(images[-1])
    for ours, theirs in zip(
        query, [expected.key, *expected.decoder.compress, *expected.decoder[1:]], strict=True
    ):
        close(ours, theirs)
    memory = []
    for image, mask in zip(images, masks, strict=False):
        others = mask.sum(dim=0) - mask
        memory.append(graphs.encode_memory(image.numpy(), mask.numpy(), others.numpy()))
        for ours, theirs in zip(memory[-1], network.encode_memory(image, mask[None]), strict=True):
            close(ours, theirs)
    keys, values = (np.stack(each, axis=1) for each in zip(*memory, strict=True))
    rows = [torch.from_numpy(each).flatten(1, 2) for each in (keys, values)]
    readout = [
        read(k[None], v[None], expected.key, width=grid[1], top_k=50) for k, v in zip(*rows, strict=True)
    ]
    close(graphs.segment(keys, values, query), network.decode(torch.cat(readout), expected).squeeze(1))


@pytest.mark.slow
@pytest.mark.parametrize(("top_k", "km_sigma"), [(20, 5.6), (None, None)])
@torch.inference_mode()
def test_the_read_is_exported_as_asked(top_k, km_sigma, network, tmp_path):
    segment = propagation_graphs(network, top_k, km_sigma)[-1]
    write_graph(segment, tmp_path / "segment.onnx", {})
    torch.manual_seed(0)
    keys, values = torch.randn(2, 4, 35, 128), torch.randn(2, 4, 35, 512)
    query = network.encode_query(torch.randn(1, 3, 16 * 5, 16 * 7))
    given = [keys, values, query.key, *query.decoder.compress, *query.decoder[1:]]
    names = dict(zip(segment.inputs, (each.numpy() for each in given), strict=True))
    (logits,) = open_graph(tmp_path / "segment.onnx", ["CPUExecutionProvider"]).run(None, names)
    how = {"width": 7, "top_k": top_k, "km_sigma": km_sigma}
    readout = read(keys.flatten(1, 2), values.flatten(1, 2), query.key.expand(2, -1, -1), **how)
    close(logits, network.decode(readout, query).squeeze(1))


@pytest.mark.parametrize(
    "options", [{"mem_every": 2, "max_memory_frames": 2}, slow({"remember_previous": False})]
)
def test_the_engine_steps_as_inference_core(options, graphs, loaded, clip_frames, clip_labels):
    """Objects come late and are corrected, frames are no multiples of 16; one comes as a picture of bytes."""
    given = dict(zip((1, 3, 4, 7), [*clip_labels, clip_labels[0]], strict=True))
    engine, core = Engine(graphs, **options), InferenceCore(loaded, **options)
    for index, frame in enumerate(clip_frames[:9]):
        mask = given.get(index)
        expected = core.step(frame, mask)
        picture = denormalise(frame) if index == 5 else frame.numpy()
        prob = engine.step(picture, None if mask is None else mask.numpy())
        assert engine.labels == core.labels
        assert np.abs(prob - expected.numpy()).max() < 2e-3
        labels = engine.label_map(prob, (177, 260))
        assert (labels == core.label_map(expected, (177, 260)).numpy()).mean() > 0.999
    assert [memory.times for memory in engine.memories] == [each.times for each in core.bank.objects]


def test_the_command_makes_the_masks_of_propagate_video_without_torch(
    folder, weights_file, clip, tmp_path, monkeypatch
):
    write_frames(tmp_path / "frames", clip["frames"][:5])
    for index, labels in ((1, clip["labels"][0]), (3, clip["labels"][1])):
        write_labels(tmp_path / f"masks/{index:05}.png", labels)
    flags = ["--input", tmp_path / "frames", "--masks", tmp_path / "masks", "--size", 64, "--mem_every", 2]
    ours = ["--graphs", folder, "--output", tmp_path / "ours"]
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, [*flags, *ours])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    theirs = ["--model", weights_file, "--output", tmp_path / "theirs"]
    run_main(monkeypatch, "scripts.propagate_video", *flags, *theirs)
    names = [f"{index:05}.png" for index in range(1, 5)]
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == names
    for name in names:
        same = read_png(tmp_path / "ours" / name) == read_png(tmp_path / "theirs" / name)
        assert same.mean() > 0.999


def test_each_graph_says_what_it_is(folder):
    for name in ("encode_query", "encode_memory", "segment"):
        model = onnx.load(folder / f"{name}.onnx")
        described = {each.key: each.value for each in model.metadata_props}
        assert described["graph"] == name and described["stride"] == "16" and described["top_k"] == "50"
        assert len(described["weights_sha256"]) == 64
        shapes = [[d.dim_param for d in each.type.tensor_type.shape.dim] for each in model.graph.input]
        assert any(shapes[0])


@pytest.mark.parametrize(
    ("which", "build", "shape"),
    [("fusion", fusion_network, (1, 9, 37, 53)), slow("s2m", s2m_network, (3, 6, 48, 80))],
)
@torch.inference_mode()
def test_the_other_networks_are_one_graph_each(which, build, shape, tmp_path, monkeypatch):
    network = build().eval()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    flags = ["--which", which, "--model", tmp_path / "weights.pth", "--output", tmp_path]
    run_main(monkeypatch, MODULE, *flags)
    session = open_graph(tmp_path / f"{which}.onnx", ["CPUExecutionProvider"])
    x = torch.randn(shape)
    close(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0], network(x))


@pytest.mark.slow
def test_half_precision_gives_nearly_the_same_masks(
    loaded, weights_file, clip_frames, clip_labels, tmp_path, monkeypatch
):
    run_main(monkeypatch, MODULE, "--half", "--model", weights_file, "--output", tmp_path)
    engine, core = Engine(Graphs(tmp_path)), InferenceCore(loaded)
    for index, frame in enumerate(clip_frames[:4]):
        mask = None if index else clip_labels[2]
        expected = core.label_map(core.step(frame, mask)).numpy()
        labels = engine.label_map(engine.step(frame.numpy(), None if mask is None else mask.numpy()))
        assert (labels == expected).mean() > 0.99
    assert engine.memories[0].values.dtype == np.float16


def refused(monkeypatch, module, *flags):
    with pytest.raises(InputError) as error:
        run_main(monkeypatch, module, *flags)
    return str(error.value)


def test_an_export_refuses_what_it_cannot_do(folder, weights_file, tmp_path, monkeypatch):
    """Each in one sentence, before anything is written."""
    torch.save(fusion_network().state_dict(), tmp_path / "fusion.pth")
    output = tmp_path / "graphs"
    flags = ["--output", output, "--model"]
    told = refused(monkeypatch, MODULE, *flags, tmp_path / "fusion.pth")
    assert "fusion.pth is of the fusion network: export it with --which fusion." in told
    assert "there is no checkpoint" in refused(monkeypatch, MODULE, *flags, tmp_path / "none.pth")
    told = refused(monkeypatch, MODULE, "--model", weights_file, "--output", folder)
    assert "encode_query.onnx exists: remove it, or give another folder as --output." in told
    monkeypatch.setattr("scripts.export_onnx.PACKAGES", ("onnx", "not_installed"))
    told = refused(monkeypatch, MODULE, *flags, weights_file)
    assert told == "an export needs not_installed: run `pip install onnx not_installed`."
    assert not output.exists()


def test_the_engine_refuses_what_does_not_fit(graphs):
    frame, mask = np.zeros((20, 40, 3), np.uint8), np.ones((20, 40), np.uint8)
    engine = Engine(graphs)
    engine.step(frame, mask)
    for given, told in (
        ((frame[:16],), "a frame is 40 x 16, those before it are not"),
        ((frame[..., :2],), "a frame must be H x W x 3 of bytes or 3 x H x W of float32"),
        ((frame, mask[:16]), "a mask must be labels 20 x 40"),
        ((frame, mask / 2), "a mask must be labels 20 x 40, whole numbers"),
        ((np.broadcast_to(np.uint8(0), (1 << 19, 1 << 19, 3)),), "does not fit into this machine's memory"),
    ):
        with pytest.raises(InputError, match=told):
            engine.step(*given)
    assert engine.step(frame).shape == (2, 20, 40)
    query = graphs.encode_query(np.zeros((1, 3, 32, 48), np.float32))
    keys, values = engine.memories[0].view()
    with pytest.raises(InputError, match="do not belong together"):
        graphs.segment(np.concatenate([keys, keys]), values, query)
    with pytest.raises(InputError, match="40 x 20 is given to the network, which takes multiples of 16"):
        graphs.encode_query(np.zeros((1, 3, 20, 40), np.float32))


def test_graphs_that_cannot_be_run_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="there is no graph at"):
        Graphs(tmp_path)
    with pytest.raises(InputError, match="onnxruntime has no NoProvider here, only"):
        Graphs(folder, ["NoProvider"])
    for name in ("encode_query", "encode_memory", "segment"):
        (tmp_path / f"{name}.onnx").symlink_to(folder / "encode_query.onnx")
    with pytest.raises(InputError, match=r"encode_memory\.onnx does not belong to the other graphs"):
        Graphs(tmp_path)
    (tmp_path / "encode_query.onnx").unlink()
    (tmp_path / "encode_query.onnx").write_bytes(b"no graph")
    with pytest.raises(InputError, match=r"encode_query\.onnx cannot be opened as an ONNX graph"):
        Graphs(tmp_path)


def test_the_command_refuses_what_it_cannot_read_or_would_replace(folder, clip, tmp_path, monkeypatch):
    write_frames(tmp_path / "frames", clip["frames"][:2, :16, :16])
    write_labels(tmp_path / "masks/00000.png", clip["labels"][0, :16, :16])
    flags = {"--graphs": folder, "--input": tmp_path / "frames", "--masks": tmp_path / "masks"}
    flags["--output"] = tmp_path / "out"

    def told(**changed):
        given = flags | {f"--{name}": value for name, value in changed.items()}
        return refused(
            monkeypatch, "scripts.onnx_runtime.__main__", *(x for pair in given.items() for x in pair)
        )

    assert "there are no pictures" in told(input=tmp_path / "nowhere")
    assert "exists: remove it" in told(output=tmp_path / "masks")
    assert "neither a paletted nor a grey picture" in told(masks=tmp_path / "frames/00000.jpg")
    write_labels(tmp_path / "masks/00000.png", clip["labels"][0])
    assert "is not of its frame's size: give a mask of 16 x 16." in told()
    write_labels(tmp_path / "masks/7.png", clip["labels"][0])
    assert "7.png is not named after a frame" in told()
    assert not (tmp_path / "out").exists()
