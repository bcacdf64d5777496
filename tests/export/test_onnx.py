"""Exported graphs and the engine that runs them, against PyTorch."""

import subprocess
import sys
from copy import deepcopy

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from model import InferenceCore
from model.memory import read
from scripts.export_onnx import READERS
from scripts.onnx_export.graphs import make_graphs, write_graph
from scripts.onnx_runtime.engine import Engine, Graphs
from tests.conftest import ROOT, read_png, refused, run_main, slow, write_frames, write_labels
from tests.golden_weights import fusion_network, s2m_network, save_state

MODULE = "scripts.export_onnx"
WITHOUT_TORCH = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, 2 * (int(sys.argv.pop(1)),))
sys.modules.update(dict.fromkeys(("torch", "cv2", "scipy", "numba")))  # importing them fails
runpy.run_module("scripts.onnx_runtime", run_name="__main__")
"""


@pytest.fixture(scope="module")
def short(network):
    """The golden network with one block in each stage of its encoders: quick to export."""
    network = deepcopy(network)
    for encoder in (network.rgb_encoder, network.mask_rgb_encoder):
        for name in ("res2", "layer1", "layer2", "layer3"):
            if hasattr(encoder, name):
                setattr(encoder, name, getattr(encoder, name)[:1])
    with torch.no_grad():
        network.decoder.pred.bias.zero_()  # brings the logits to about zero again
    return network


@pytest.fixture(scope="module")
def folder(short, weights_file, tmp_path_factory):
    """The network as graphs, which keep the best 50 positions."""
    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(READERS, "propagation", lambda _: deepcopy(short))
        run_main(patch, MODULE, "--model", weights_file, "--output", folder)
    return folder


@pytest.fixture(scope="module")
def graphs(folder):
    return Graphs(folder)


def close(ours, expected):
    torch.testing.assert_close([*map(torch.from_numpy, ours)], [*expected], atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("grid", "objects", "frames"),
    [
        ((6, 3), 5, 2),  # fewer positions than the top k
        ((3, 2), 1, 1),
        ((5, 11), 2, 7),
        slow((15, 27), 5, 60),  # 240p
        slow((30, 54), 1, 60),  # 854 x 480
        slow((54, 30), 5, 2),  # portrait
        slow((30, 40), 3, 10),  # 480p
    ],
)
@torch.inference_mode()
def test_graphs_compute_what_the_network_does(grid, objects, frames, graphs, short):
    torch.manual_seed(0)
    height, width = (16 * side for side in grid)
    images = torch.randn(frames + 1, 1, 3, height, width)
    masks = torch.rand(frames, objects, height, width)
    query = graphs.run("encode_query", images[-1].numpy())
    expected = short.encode_query(images[-1])
    close(query, [expected.key, *expected.decoder.compress, *expected.decoder[1:]])
    memory = []
    for image, mask in zip(images, masks, strict=False):
        inputs = image, mask, mask.sum(dim=0) - mask
        memory.append(graphs.run("encode_memory", *(each.numpy() for each in inputs)))
        close(memory[-1], short.encode_memory(image, mask[None]))
    keys, values = (np.stack(each, axis=1) for each in zip(*memory, strict=True))
    rows = [torch.from_numpy(each).flatten(1, 2) for each in (keys, values)]
    readout = read(*rows, expected.key.expand(objects, -1, -1), width=grid[1], top_k=50)
    logits = torch.from_numpy(graphs.run("segment", keys, values, *query)[0])
    # With random keys the 50th and the 51st affinity may nearly tie, and rounding chooses between them.
    right = short.decode(readout, expected).squeeze(1)
    assert torch.isclose(logits, right, atol=2e-3, rtol=1e-3).float().mean() > 0.999
    assert (logits - right).abs().max() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("top_k", "km_sigma"), [(20, 5.6), (None, None)])
@torch.inference_mode()
def test_top_k_and_kernel_are_exported(top_k, km_sigma, network, tmp_path):
    segment = make_graphs(network, top_k, km_sigma)[-1]
    write_graph(segment, tmp_path / "segment.onnx", {})
    torch.manual_seed(0)
    keys, values = torch.randn(2, 4, 35, 128), torch.randn(2, 4, 35, 512)
    query = network.encode_query(torch.randn(1, 3, 16 * 5, 16 * 7))
    given = [keys, values, query.key, *query.decoder.compress, *query.decoder[1:]]
    names = dict(zip(segment.inputs, (each.numpy() for each in given), strict=True))
    logits = onnxruntime.InferenceSession(tmp_path / "segment.onnx").run(None, names)
    how = {"width": 7, "top_k": top_k, "km_sigma": km_sigma}
    readout = read(keys.flatten(1, 2), values.flatten(1, 2), query.key.expand(2, -1, -1), **how)
    close(logits, [network.decode(readout, query).squeeze(1)])


@pytest.mark.parametrize(
    "options", [{"mem_every": 2, "max_memory_frames": 2}, slow({"remember_previous": False})]
)
def test_the_engine_steps_as_inference_core(options, graphs, short, small_frames, small_labels):
    """Objects come late and are corrected; the sides of frames are no multiples of 16."""
    given = dict(zip((1, 3, 4, 7), [*small_labels, small_labels[0]], strict=True))
    engine, core = Engine(graphs, **options), InferenceCore(short, **options)
    for index, frame in enumerate(frame[:, :30] for frame in small_frames[:9]):
        mask = given[index][:30] if index in given else None
        expected = core.step(frame, mask)
        prob = engine.step(frame.numpy(), None if mask is None else mask.numpy())
        assert engine.labels == core.labels
        assert np.abs(prob - expected.numpy()).max() < 2e-3
    assert 0.02 < (prob.argmax(axis=0) > 0).mean() < 0.98
    remembered = [[frame.time for frame in memory.permanent] for memory in engine.memories]
    assert remembered == [sorted(each.times) for each in core.bank.objects]


@pytest.fixture
def late_objects(clip, tmp_path):
    """Flags of five frames, 7 to 11, with masks on the second and the fourth."""
    write_frames(tmp_path / "frames", clip["frames"][:5])
    for path in (tmp_path / "frames").iterdir():
        path.rename(path.with_stem(str(int(path.stem) + 7)))
    for index, labels in ((1, clip["labels"][0]), (3, clip["labels"][1])):
        write_labels(tmp_path / f"masks/{index + 7}.png", labels)
    return ["--input", tmp_path / "frames", "--masks", tmp_path / "masks", "--size", 64, "--mem_every", 2]


def errors_without_torch(memory_limit, *flags):
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, (memory_limit, *flags))]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stderr


def test_masks_are_the_same_without_torch(folder, short, weights_file, late_objects, tmp_path, monkeypatch):
    assert not errors_without_torch(2**40, "--graphs", folder, *late_objects, "--output", tmp_path / "ours")
    monkeypatch.setattr("scripts.propagate_video.load_network", lambda *_: short)
    theirs = ["--model", weights_file, "--output", tmp_path / "theirs"]
    run_main(monkeypatch, "scripts.propagate_video", *late_objects, *theirs)
    names = [f"{index}.png" for index in range(8, 12)]
    assert {path.name for path in (tmp_path / "ours").iterdir()} == set(names)
    for name in names:
        assert (read_png(tmp_path / "ours" / name) == read_png(tmp_path / "theirs" / name)).mean() > 0.999


def test_a_comparison_prints_the_equal_share(folder, short, weights_file, late_objects, monkeypatch, capsys):
    monkeypatch.setattr("scripts.compare_onnx.load_network", lambda *_: short)
    run_main(monkeypatch, "scripts.compare_onnx", "--graphs", folder, "--model", weights_file, *late_objects)
    _, _, share = capsys.readouterr().out.partition(" 4 frames")[2].partition("same label: ")
    assert float(share.split()[0]) > 99.9


@pytest.mark.parametrize(
    ("which", "build", "shape"),
    [("fusion", fusion_network, (1, 9, 37, 53)), slow("s2m", s2m_network, (3, 6, 48, 80))],
)
@torch.inference_mode()
def test_the_other_networks_are_one_graph_each(which, build, shape, tmp_path, monkeypatch):
    network = build()
    model = save_state(network, tmp_path / "weights.pth")
    flags = ["--which", which, "--model", model, "--output", tmp_path]
    run_main(monkeypatch, MODULE, *flags)
    session = onnxruntime.InferenceSession(tmp_path / f"{which}.onnx")
    x = torch.randn(shape)
    close(session.run(None, {session.get_inputs()[0].name: x.numpy()}), [network(x)])


@pytest.mark.slow
def test_half_precision_changes_little(loaded, weights_file, clip_frames, clip_labels, tmp_path, monkeypatch):
    run_main(monkeypatch, MODULE, "--half", "--model", weights_file, "--output", tmp_path)
    engine, core = Engine(Graphs(tmp_path)), InferenceCore(loaded)
    for index, frame in enumerate(clip_frames[:4]):
        mask = None if index else clip_labels[2]
        expected = core.step(frame, mask).argmax(dim=0).numpy()
        prob = engine.step(frame.numpy(), None if mask is None else mask.numpy())
        assert (prob.argmax(axis=0) == expected).mean() > 0.99
    assert engine.memories[0].permanent[0].value.dtype == np.float16


def test_bad_input_of_an_export_is_refused(folder, weights_file, tmp_path, monkeypatch):
    flags, output = ["--model", weights_file, "--output"], tmp_path / "graphs"
    message = refused(run_main, monkeypatch, MODULE, *flags, folder)
    assert "encode_query.onnx exists: remove it, or give another folder as --output." in message
    monkeypatch.setattr("scripts.export_onnx.PACKAGES", ("onnx", "not_installed"))
    message = refused(run_main, monkeypatch, MODULE, *flags, output)
    assert message == "an export needs not_installed: run `pip install onnx not_installed`."
    assert not output.exists()


def test_graphs_that_cannot_be_run_are_refused(tmp_path, monkeypatch):
    assert "there is no graph at" in refused(Graphs, tmp_path)
    (tmp_path / "encode_query.onnx").write_text("no graph")
    assert "encode_query.onnx cannot be opened as an ONNX graph" in refused(Graphs, tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # importing it fails
    assert refused(Graphs, tmp_path) == "onnxruntime is missing: run `pip install onnxruntime`."


def test_too_little_memory_is_one_sentence(folder, tmp_path):
    write_labels(tmp_path / "frames/00000.png", np.ones((2000, 2000)))  # as a frame, and as its mask
    flags = ["--input", tmp_path / "frames", "--masks", tmp_path / "frames", "--size", 2000]
    errors = errors_without_torch(2**30, "--graphs", folder, *flags, "--output", tmp_path / "masks")
    assert errors.startswith("error: the memory is too small at") and errors.count("\n") == 1


def test_bad_input_of_the_runtime_is_refused(folder, graphs, clip, tmp_path, monkeypatch):
    write_frames(tmp_path / "frames", clip["frames"][:2, :16, :16])
    write_labels(tmp_path / "masks/00000.png", np.ones((16, 16)))
    write_labels(tmp_path / "large/00000.png", clip["labels"][0])
    write_labels(tmp_path / "strange/7.png", clip["labels"][0])
    flags = ["--graphs", folder, "--input", tmp_path / "frames", "--masks", tmp_path / "masks"]
    flags += ["--output", tmp_path / "out"]
    Image.fromarray(clip["frames"][1, :32, :16]).save(tmp_path / "frames/00001.jpg")
    for changed, message in (
        (["--input", tmp_path / "nowhere"], "there are no pictures"),
        (["--output", tmp_path / "masks"], "exists: remove it"),
        (["--masks", tmp_path / "frames/00000.jpg"], "neither a paletted nor a grey picture"),
        (["--masks", tmp_path / "large"], "is not of its frame's size: give a mask of 16 x 16."),
        (["--masks", tmp_path / "strange"], "7.png is not named after a frame"),
        ([], "a frame has another size than the ones before it"),
    ):
        assert message in refused(run_main, monkeypatch, "scripts.onnx_runtime.__main__", *flags, *changed)
    wrong = np.zeros((3, 32, 48), np.float32), np.ones((32, 32), np.uint8)
    assert "a mask has another size than its frame" in refused(Engine(graphs).step, *wrong)
