"""What only a GPU can show, and what can be known of it without one; `-m gpu` runs all tests on a GPU."""

import argparse
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from model import InferenceCore, PropagationNetwork, load_network, memory
from model.fast_inference.cuda_graphs import RECORDED
from scripts.benchmark.timing import tf32
from tests.conftest import needs_gpu
from util.device import add_device_flags, set_up_device

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
def test_tensors_of_the_engine_are_on_the_device_of_its_network(options, monkeypatch):
    """Use the device meta, whose tensors mix with those of no other device, as on a GPU."""
    with META:
        network = PropagationNetwork().eval()
    engine = InferenceCore(network, **options)
    monkeypatch.setattr(memory, "CHUNK_NUMBERS", 100)
    given = {0: [1, 2], 5: [2, 3]}
    for index in range(7):
        mask = torch.arange(4).repeat(40, 18) if index in given else None
        prob = engine.step(torch.zeros(3, 40, 72), mask, labels=given.get(index))
        assert prob.device == engine.label_map(prob, (50, 90)).device == META
    engine.remove(2)
    prob = engine.step(torch.zeros(3, 40, 72), torch.zeros(2, 40, 72), labels=[1, 9])
    assert prob.device == META and len(prob) == 4
    assert {memory.keys.device for memory in engine.bank.objects} == {META}


@needs_gpu
@pytest.mark.parametrize("amp", [False, True])
def test_replayed_calls_give_the_computed_frames(amp, weights_file, clip_frames, clip_labels):
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
def test_replays_in_several_threads_do_not_change_earlier_results(weights_file, clip_frames):
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
