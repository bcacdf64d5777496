import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model import InferenceCore
from scripts.benchmark.timing import tf32
from tests.conftest import GOLDEN, on_gpu, refused, slow

PADDING = (4, 4, 4, 4)  # of the golden clip, 136 x 88 -> 144 x 96
READS = {
    "top50": {"top_k": 50},
    "top20": {"top_k": 20},
    "full": {"top_k": None},
    "top50_km": {"top_k": 50, "km_sigma": 5.6},
    "full_km": {"top_k": None, "km_sigma": 5.6},
}


def assert_near_golden(prob, golden, largest=2e-2, mean=1e-4, labels=1e-3):
    """Golden numbers are half floats, so labels are compared after the same rounding."""
    golden = torch.from_numpy(golden)
    difference = (prob - golden.float()).abs()
    assert difference.max() <= largest
    assert difference.mean() <= mean
    assert (prob.half().argmax(0) != golden.argmax(0)).float().mean() < labels


def propagate(engine, frames, masks):
    """Run the engine over frames; masks is {frame: (label map, labels)}."""
    last = len(frames) - 1
    return [engine.step(f, *masks.get(i, (None, None)), last=i == last) for i, f in enumerate(frames)]


@pytest.fixture
def beside_golden(clip_frames, clip_labels):
    """Propagate as in a golden case; return pairs of our and the golden probabilities of some frames."""

    def run(case, network, count=12, **options):
        golden = np.load(GOLDEN / "propagation.npz")
        read, objects = case.rsplit("_k", 1)
        engine = InferenceCore(network, **READS[read], **options)
        # frames are padded before, as the golden numbers include the padding
        frames = [F.pad(frame, PADDING) for frame in clip_frames[:count]]
        probs = propagate(engine, frames, {0: (F.pad(clip_labels[int(objects) - 1], PADDING), None)})
        return [
            (probs[index].cpu(), golden[case][:, slot])
            for slot, index in enumerate(golden["frames_kept"])
            if index < count
        ]

    return run


@pytest.mark.parametrize("device", ["cpu", on_gpu("cuda")])
@pytest.mark.parametrize(
    ("case", "options", "limits"),
    [
        ("top50_k1", {}, {}),
        ("full_km_k2", {"count": 7}, {}),
        *(slow(case, {}, {}) for case in ("top50_k3", "top50_k2", "full_k2", "top50_km_k2", "top20_k2")),
        slow("top50_k3", {"objects_at_once": 1}, {}),
        slow("top50_k2", {"half_memory": True}, {"mean": 3e-4, "labels": 5e-3}),
    ],
)
@tf32(False)
def test_propagation_matches_golden(case, options, limits, device, load, beside_golden):
    for pair in beside_golden(case, load(device), **options):
        assert_near_golden(*pair, **limits)


@pytest.mark.parametrize(
    ("device", "amp", "limits"),
    [
        slow("cpu", True, (0.2, 0.015, 0.02)),
        on_gpu("cuda", True, (0.2, 0.015, 0.02)),
        on_gpu("cuda", False, (0.04, 0.002, 0.005)),
    ],
)
@tf32(True)
def test_reduced_precision_stays_near_golden(device, amp, limits, load, beside_golden):
    """bfloat16 has 8 bits; TF32, which GPUs may use without it, 11."""
    for pair in beside_golden("top50_k1", load(device, amp)):
        assert_near_golden(*pair, *limits)


def test_late_objects_match_golden(network, clip_frames, clip_labels):
    golden = np.load(GOLDEN / "late_objects.npz")
    masks = {frame: (clip_labels[2], [label]) for label, frame in ((1, 0), (2, 4), (3, 7))}
    probs = propagate(InferenceCore(network), clip_frames[:10], masks)
    for slot, index in enumerate((1, 3, 5, 7, 9)):
        known = probs[index].shape[0]
        inner = golden["prob"][:, slot, 4:-4, 4:-4]
        assert known == 1 + sum(frame <= index for frame in masks)
        assert_near_golden(probs[index], inner[:known])
        assert inner[known:].max(initial=0) < 1e-3


def test_results_have_the_frames_size_and_given_masks_do_not_change(network, small_frames, small_labels):
    engine = InferenceCore(network)
    frame, labels = small_frames[0][:, :31, :45], small_labels[1][:31, :45]
    prob = engine.step(frame, labels)
    assert prob.shape == (3, 31, 45)
    assert torch.equal(engine.label_map(prob), labels)
    assert engine.label_map(engine.step(frame), size=(62, 90)).shape == (62, 90)


def test_a_removed_object_is_forgotten_and_the_others_continue(network, small_frames, small_labels):
    engine = InferenceCore(network)
    propagate(engine, small_frames[:2], {0: (small_labels[2], [1, 2, 3])})
    kept = [engine.bank.objects[i] for i in (0, 2)]
    engine.remove(2)
    assert engine.labels == [1, 3]
    assert engine.bank.objects == kept
    prob = engine.step(small_frames[2])
    assert prob.shape[0] == 3
    assert set(engine.label_map(prob).unique().tolist()) <= {0, 1, 3}
    assert "no object 2 to remove; the known ones are [1, 3]" in refused(engine.remove, 2)

    prob = engine.step(small_frames[3], small_labels[2], labels=[2])  # the same label, another object
    assert engine.labels == [1, 3, 2]
    assert [memory.times for memory in engine.bank.objects] == [[0, 3], [0, 3], [3]]
    assert torch.equal(engine.label_map(prob) == 2, small_labels[2] == 2)
    for label in (3, 1, 2):
        engine.remove(label)
    assert not engine.label_map(engine.step(small_frames[4])).any()
    assert not engine.bank.objects


def test_remembered_frames_follow_mem_every_and_given_masks(network, clip_frames, clip_labels):
    small = [frame[:, :32, :32] for frame in clip_frames]
    labels = clip_labels[2][:32, :32].clone()
    labels[:8], labels[24:] = 1, 2
    engine = InferenceCore(network, mem_every=3)
    propagate(engine, small[:10], {0: (labels, [1]), 5: (labels, [2])})
    first, second = engine.bank.objects
    assert first.times == [0, 3, 5, 8]  # the count restarts at frame 5
    assert second.times == [5, 8]
    assert not first.has_temporary  # frame 9 is the last


def test_without_the_previous_frame_only_the_permanent_memory_is_read(network, small_frames, small_labels):
    engine = InferenceCore(network, remember_previous=False)
    probs = propagate(engine, small_frames[:7], {0: (small_labels[1], None)})
    for index in (1, 2, 5):
        alone = InferenceCore(network)
        alone.step(small_frames[0], small_labels[1])
        torch.testing.assert_close(probs[index], alone.step(small_frames[index]), atol=1e-5, rtol=0)
    assert engine.bank.objects[0].times == [0, 5]


@pytest.mark.parametrize("options", [{}, {"top_k": 5, "km_sigma": 3, "mem_every": 1, "max_memory_frames": 2}])
def test_names_and_order_of_objects_make_no_difference(options, network, small_frames, small_labels):
    names = {1: 200, 2: 7, 3: 90}
    renamed = torch.tensor([0, *names.values()])[small_labels[2].int()]
    first = propagate(
        InferenceCore(network, **options),
        small_frames[:4],
        {0: (small_labels[2], [1, 3]), 1: (small_labels[2], [2])},
    )
    second = propagate(
        InferenceCore(network, **options), small_frames[:4], {0: (renamed, [90, 200]), 1: (renamed, [7])}
    )
    for prob, other in zip(first, second, strict=True):
        order = [0, 2, 1, 3][: len(prob)]
        torch.testing.assert_close(prob, other[order], atol=2e-4, rtol=0)


@pytest.mark.parametrize("options", [{"objects_at_once": 2}, {"half_memory": True}])
def test_options_that_save_memory_keep_the_result(options, network, small_frames, small_labels):
    whole, saving = InferenceCore(network), InferenceCore(network, **options)
    probs = [propagate(engine, small_frames[:4], {0: (small_labels[2], None)}) for engine in (whole, saving)]
    for expected, prob in zip(*probs, strict=True):
        # half precision has 11 bits; readouts of the golden weights are of order one
        torch.testing.assert_close(prob, expected, atol=5e-3 if "half_memory" in options else 1e-5, rtol=0)
    assert (saving.bank.objects[0].keys.dtype == torch.half) == ("half_memory" in options)
