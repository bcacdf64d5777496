"""What only a GPU can show (skipped without one), and what can be known of it without one."""

import argparse
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from dataset.davis_test_dataset import davis_2016
from model import InferenceCore, PropagationNetwork, load_network
from model.trainer import Trainer
from tests.conftest import GOLDEN, read_png, run_main, write_frames, write_labels
from tests.test_eval_davis_2016 import davis  # noqa: F401
from tests.test_inference_core import assert_near_golden, beside_golden  # noqa: F401
from tests.test_trainer import golden_batch, golden_network
from util.device import add_device_flags, allow_tf32, chosen_device
from util.ranks import Ranks

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU")
GPU, META = torch.device("cuda"), torch.device("meta")


@pytest.fixture(autouse=True)
def own_settings():
    """Leave PyTorch's settings as they were."""
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    yield
    for backend, allowed in zip(backends, before, strict=True):
        backend.allow_tf32 = allowed


@pytest.mark.parametrize(("flags", "allowed"), [([], True), (["--no_tf32"], False)])
def test_convolutions_may_use_tf32_unless_the_flags_forbid_it(flags, allowed):
    parser = argparse.ArgumentParser()
    add_device_flags(parser.add_argument)
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = not allowed, True
    chosen_device(parser.parse_args(flags))
    assert torch.backends.cudnn.allow_tf32 == allowed
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "options", [{"top_k": 5}, {"top_k": None}, {"km_sigma": 5.6, "half_memory": True, "max_memory_frames": 2}]
)
def test_all_that_the_engine_makes_lies_on_the_device_of_its_network(options, dtype):
    """On the device without numbers: tensors of two devices do not mix, as with a GPU."""
    with META:
        network = PropagationNetwork().eval().to(dtype)
    engine = InferenceCore(network, **options)
    engine.chunk_numbers = 100
    given = {0: [1, 2], 6: [2, 3]}
    for index in range(8):
        mask = torch.zeros(40, 72, dtype=torch.uint8) if index in given else None
        prob = engine.step(torch.zeros(3, 40, 72), mask, labels=given.get(index))
        assert prob.device == engine.label_map(prob, (50, 90)).device == META
    engine.remove(2)
    prob = engine.step(torch.zeros(3, 40, 72), torch.zeros(2, 40, 72), labels=[1, 9])
    assert prob.device == META and len(prob) == 4
    assert {memory.keys.device for memory in engine.bank.objects} == {META}


@needs_gpu
@pytest.mark.parametrize("case", ["top50_k1", "top50_k3", "full_km_k2"])
def test_propagation_matches_golden(case, weights_file, beside_golden):  # noqa: F811
    allow_tf32(False)
    for pair in beside_golden(case, load_network(weights_file, GPU)):
        assert_near_golden(*pair)


@needs_gpu
def test_reduced_precision_stays_near_golden(weights_file, beside_golden):  # noqa: F811
    for pair in beside_golden("top50_k1", load_network(weights_file, GPU, amp=True)):
        assert_near_golden(*pair, largest=0.2, mean=0.015, labels=0.02)


@needs_gpu
@pytest.mark.parametrize(("amp", "tolerance"), [(False, 1e-3), (True, 2e-2)])
def test_a_training_step_matches_golden(amp, tolerance):
    allow_tf32(False)
    result = Trainer(golden_network("mo").to(GPU), Ranks(GPU), amp=amp).step(golden_batch("mo"))
    golden = np.load(GOLDEN / "training.npz")["mo_total_l1_l2_lr"][0, 1:3]
    assert result.losses.tolist() == pytest.approx(golden, rel=tolerance)


@needs_gpu
def test_frames_for_a_gpu_are_page_locked(davis):  # noqa: F811
    video = davis_2016(davis)[0]
    assert not video.read(0).image.is_pinned()
    frame = replace(video, pinned=True).read(0)
    assert frame.image.is_pinned() and frame.mask.is_pinned()


@needs_gpu
def test_a_gpu_writes_the_masks_of_a_cpu(davis, weights_file, tmp_path, monkeypatch):  # noqa: F811
    for device in ("cpu", "cuda"):
        flags = ["--davis", davis, "--model", weights_file, "--output", tmp_path / device, "--device", device]
        run_main(monkeypatch, "eval_davis_2016", *flags, "--no_tf32")
    masks = sorted((tmp_path / "cpu").rglob("*.png"))
    assert len(masks) == 9
    for path in masks:
        on_gpu = read_png(tmp_path / "cuda" / path.relative_to(tmp_path / "cpu"))
        assert (on_gpu == read_png(path)).mean() > 0.998


@needs_gpu
def test_the_benchmarks_report_the_peak_of_memory(clip, tmp_path, weights_file, monkeypatch):
    write_frames(tmp_path / "frames", clip["frames"][:4])
    write_labels(tmp_path / "m.png", clip["labels"][0])
    given = ["--model", weights_file, "--input", tmp_path / "frames", "--mask", tmp_path / "m.png"]
    for flags in (["inference", *given], ["train", "-b", 2, "--crop_size", 32, "--turns", 1]):
        run_main(monkeypatch, "scripts.benchmark", "--json", tmp_path / "b.json", *flags, "--device", "cuda")
        measured = json.loads((tmp_path / "b.json").read_text())["measurements"]
        peaks = [each["value"] for each in measured if each["name"].startswith("peak memory")]
        assert len(peaks) == 2 and min(peaks) > 100  # the weights alone are 140 MB and more
