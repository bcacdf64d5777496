"""What only a GPU can show (skipped without one), and what can be known of it without one."""

import argparse
import json
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from dataset.davis_test_dataset import davis_2016
from model import InferenceCore, PropagationNetwork, load_fusion, load_network, load_s2m, memory
from model.fast_inference.cuda_graphs import RECORDED
from model.interactive.fusion import fuse, time_shares
from model.interactive.scribble_to_mask import S2MSegmenter
from model.padding import pad, padding_for
from model.training.propagation_forward import PropagationForward
from model.training.trainer import Trainer
from scripts.benchmark.timing import tf32
from scripts.evaluation.loop import segment
from tests.conftest import GOLDEN, read_png, run_main, write_frames, write_labels
from tests.evaluation.test_eval_davis_2016 import davis  # noqa: F401
from tests.model.interactive_networks import fusion_network, relative_error, s2m_network
from tests.model.test_inference_core import assert_near_golden, beside_golden  # noqa: F401
from tests.model.test_interactive_core import assert_three_rounds_match_golden
from tests.training.test_interactive_training import assert_seven_steps_match_golden
from tests.training.test_trainer import golden_batch, golden_network, gradient
from util.device import add_device_flags, set_up_device
from util.ranks import Ranks

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU")
GPU, META = torch.device("cuda"), torch.device("meta")


@pytest.fixture(autouse=True)
def own_tf32():
    """Leave PyTorch's settings as they were."""
    with tf32(True):
        yield


@pytest.mark.parametrize(("flags", "allowed"), [([], True), (["--no_tf32"], False)])
def test_convolutions_may_use_tf32_unless_the_flags_forbid_it(flags, allowed):
    parser = argparse.ArgumentParser()
    add_device_flags(parser.add_argument)
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = not allowed, True
    args = parser.parse_args(flags)
    set_up_device(args.device, args.no_tf32)
    assert torch.backends.cudnn.allow_tf32 == allowed
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize(
    "options", [{"top_k": 5}, {"km_sigma": 5.6, "half_memory": True, "max_memory_frames": 2}]
)
def test_all_that_the_engine_makes_lies_on_the_device_of_its_network(options, monkeypatch):
    """On the device without numbers: tensors of two devices do not mix, as with a GPU."""
    with META:
        network = PropagationNetwork().eval()
    engine = InferenceCore(network, **options)
    monkeypatch.setattr(memory, "CHUNK_NUMBERS", 100)
    given = {0: [1, 2], 6: [2, 3]}
    for index in range(8):
        mask = torch.arange(4).repeat(40, 18) if index in given else None
        prob = engine.step(torch.zeros(3, 40, 72), mask, labels=given.get(index))
        assert prob.device == engine.label_map(prob, (50, 90)).device == META
    engine.remove(2)
    prob = engine.step(torch.zeros(3, 40, 72), torch.zeros(2, 40, 72), labels=[1, 9])
    assert prob.device == META and len(prob) == 4
    assert {memory.keys.device for memory in engine.bank.objects} == {META}


@needs_gpu
def test_frames_are_page_locked_for_a_gpu(davis, weights_file):  # noqa: F811
    result = next(segment(davis_2016(davis)[0], InferenceCore(load_network(weights_file, GPU))))
    assert result.frame.image.is_pinned() and result.frame.mask.is_pinned()


@needs_gpu
@pytest.mark.parametrize(
    ("case", "options", "mean", "labels"),
    [
        ("top50_k1", {}, 1e-4, 1e-3),
        ("full_km_k2", {}, 1e-4, 1e-3),
        ("top50_km_k2", {}, 1e-4, 1e-3),
        ("top50_k3", {}, 1e-4, 1e-3),
        ("top50_k3", {"objects_at_once": 1}, 1e-4, 1e-3),
        ("top50_k2", {"half_memory": True}, 3e-4, 5e-3),
    ],
)
def test_propagation_matches_golden(case, options, mean, labels, weights_file, beside_golden):  # noqa: F811
    with tf32(False):
        for pair in beside_golden(case, load_network(weights_file, GPU), **options):
            assert_near_golden(*pair, mean=mean, labels=labels)


@needs_gpu
@pytest.mark.parametrize("amp", [False, True])
def test_replayed_frames_are_those_computed(amp, weights_file, clip_frames, clip_labels):
    """With other numbers of objects and sizes between, and weights that move."""
    replaying, computing = (load_network(weights_file, GPU, amp) for _ in range(2))
    for name in RECORDED:
        delattr(computing, name)
    for size in (88, 64, 88):
        for labels in clip_labels:
            engines = [InferenceCore(each) for each in (replaying, computing)]
            for index, frame in enumerate(clip_frames):
                given = labels[:size] if index == 0 else None
                replayed, computed = (engine.step(frame[:, :size], given) for engine in engines)
                assert (replayed - computed).abs().max() < (2e-2 if amp else 1e-4)
    assert all(getattr(replaying, name).recordings for name in RECORDED)
    replaying.cpu().to(GPU)
    image = torch.stack(clip_frames[:1]).to(GPU)[..., :80, :128]
    with torch.inference_mode():
        for _ in range(6):
            torch.testing.assert_close(replaying.encode_query(image).key, computing.encode_query(image).key)


@needs_gpu
def test_results_of_replays_are_their_own_in_every_thread(weights_file, clip_frames):
    network = load_network(weights_file, GPU)
    images = torch.stack(clip_frames)[..., :80, :128].to(GPU)

    @torch.inference_mode()
    def keys(_):
        return [network.encode_query(image[None]).key for image in images]

    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(keys, range(8)):
            for key, image in zip(result, images, strict=True):
                expected = network.encode_query(image[None]).key  # outside inference mode: computed
                torch.testing.assert_close(key, expected, rtol=1e-3, atol=1e-3)


@needs_gpu
@pytest.mark.parametrize("amp", [False, True])
def test_reduced_precision_stays_near_golden(amp, weights_file, beside_golden):  # noqa: F811
    """TF32 has 11 bits, bfloat16 8."""
    largest, mean, labels = (0.2, 0.015, 0.02) if amp else (0.04, 0.002, 0.005)
    for pair in beside_golden("top50_k1", load_network(weights_file, GPU, amp)):
        assert_near_golden(*pair, largest=largest, mean=mean, labels=labels)


@needs_gpu
@pytest.mark.parametrize(("amp", "tolerance"), [(False, 1e-4), (True, 2e-2)])
def test_training_matches_golden(amp, tolerance):
    golden, batch = np.load(GOLDEN / "training.npz"), golden_batch("mo")
    trainer = Trainer(PropagationForward(golden_network("mo").to(GPU), amp), Ranks(GPU))
    with tf32(False):
        for row, loosened in ((0, 1), (1, 20)):  # rounding grows with each step
            losses = trainer.step(batch).losses.tolist()
            expected = golden["mo_total_l1_l2_lr"][row, 1:3]
            assert losses == pytest.approx(expected, rel=min(loosened * tolerance, 5e-2))
            if row == 0 and not amp:
                for name, norm in json.loads(str(golden["mo_grad_norms"])).items():
                    assert gradient(trainer, name).norm().item() == pytest.approx(norm, rel=1e-3)


@pytest.fixture
def s2m_file(tmp_path):
    torch.save(s2m_network().state_dict(), tmp_path / "s2m.pth")
    return tmp_path / "s2m.pth"


@pytest.fixture
def fusion_file(tmp_path):
    torch.save(fusion_network().state_dict(), tmp_path / "fusion.pth")
    return tmp_path / "fusion.pth"


@needs_gpu
@pytest.mark.parametrize(("amp", "most"), [(False, 1e-3), (True, 0.05)])
def test_scribbles_match_golden(amp, most, s2m_file, clip, clip_frames):
    golden = dict(np.load(GOLDEN / "interactive" / "s2m.npz"))
    planes = torch.from_numpy(np.stack([golden[name] for name in ("prev", "pos", "neg")])).float()
    image = pad(torch.cat([clip_frames[0], planes])[None], padding_for(88, 136)).to(GPU)
    network = load_s2m(s2m_file, GPU, amp)
    with tf32(False), torch.inference_mode():
        assert relative_error(network(image), torch.from_numpy(golden["logits"])) < most
        if not amp:
            given = clip["frames"][0], golden["scribbles"], clip["labels"][2], (1, 2)
            ours, expected = (S2MSegmenter(each).segment(*given) for each in (network, s2m_network()))
            assert ours.device.type == GPU.type and relative_error(ours, expected) < 10 * most


@needs_gpu
@pytest.mark.parametrize(("amp", "most"), [(False, 1e-3), (True, 0.05)])
def test_fusion_matches_golden(amp, most, fusion_file, clip_frames):
    with np.load(GOLDEN / "interactive" / "fusion.npz") as numbers:
        golden = {name: torch.from_numpy(numbers[name]) for name in numbers}
    frame = pad(clip_frames[6], padding_for(88, 136))
    masks = (golden[name].to(GPU) for name in ("seg1", "seg2", "attention"))
    with tf32(False), torch.inference_mode():
        logits = fuse(load_fusion(fusion_file, GPU, amp), frame.to(GPU), *masks, time_shares(6, 3, 7))
    assert relative_error(logits, golden["logits"]) < most


@needs_gpu
def test_interactive_rounds_match_golden(weights_file, fusion_file, clip_frames):
    with tf32(False):
        networks = load_network(weights_file, GPU), load_fusion(fusion_file, GPU)
        assert_three_rounds_match_golden(networks[0], clip_frames, networks[1])


@needs_gpu
@pytest.mark.parametrize(("name", "is_double"), [("s2m", True), ("fusion", False)])
def test_training_of_the_interactive_half_matches_golden(name, is_double):
    """S2M in double: it normalises the pooled features of two samples, which magnifies what is rounded."""
    with tf32(False):
        assert_seven_steps_match_golden(name, GPU, is_double)


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
def test_the_benchmarks_report_the_peak_of_memory(clip, tmp_path, weights_file, monkeypatch, capsys):
    write_frames(tmp_path / "frames", clip["frames"][:4])
    write_labels(tmp_path / "m.png", clip["labels"][0])
    given = ["--model", weights_file, "--input", tmp_path / "frames", "--mask", tmp_path / "m.png"]
    for flags in (["inference", *given], ["train", "-b", 2, "--crop_size", 32, "--turns", 1]):
        run_main(monkeypatch, "scripts.benchmark.__main__", *flags, "--device", "cuda")
        peaks = re.findall(r"^peak memory of \w+: (\S+) MB$", capsys.readouterr().out, re.MULTILINE)
        assert len(peaks) == 2 and min(map(float, peaks)) > 100  # the weights alone are more
