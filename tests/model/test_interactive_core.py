from pathlib import Path

import numpy as np
import pytest
import torch

from model import InferenceCore, InteractiveCore, load_fusion
from scripts.benchmark.timing import tf32
from tests.conftest import GOLDEN, on_gpu, refused
from tests.golden_weights import fusion_network

EXACT = {"store": "float32"}


@pytest.mark.parametrize("device", ["cpu", on_gpu("cuda")])
@tf32(False)
def test_three_rounds_match_golden(device, load, fusion_file, clip_frames):
    golden = np.load(GOLDEN / "interactive/interactive.npz")
    options = {"fusion": load_fusion(fusion_file, device), "mem_every": 2, "append_memory": True, **EXACT}
    core = InteractiveCore(load(device), clip_frames, [1, 2], **options)
    for number, (index, mask) in enumerate(zip(golden["frames_index"], golden["masks"], strict=True)):
        core.give(int(index), mask, labels=[1, 2])  # a third one in the map is background here
        done = list(core.propagate())
        assert len(done) == len(set(done))
        for slot, frame in enumerate(golden["prob_frames"]):
            expected = torch.from_numpy(golden[f"prob_{number}"][:, slot, 4:-4, 4:-4]).float()
            difference = (core.prob(int(frame)).cpu() - expected).abs()
            assert difference.max() <= 2e-2
            assert difference.mean() <= 1e-4
        labels = torch.stack([core.label_map(i).cpu() for i in range(len(clip_frames))]).numpy()
        assert (labels != golden[f"labels_{number}"][:, 4:-4, 4:-4]).mean() < 1e-3


@pytest.fixture
def small(small_frames, small_labels):
    """Eight frames of 32 x 48 and a mask of two objects."""
    return small_frames[:8], small_labels[1]


def test_a_forward_pass_equals_the_propagation_engine(network, small):
    frames, mask = small
    core = InteractiveCore(network, frames, **EXACT)
    engine = InferenceCore(network)
    core.give(0, mask)
    assert list(core.propagate()) == list(range(1, 8))
    for index, frame in enumerate(frames):
        expected = engine.step(frame, mask if index == 0 else None)
        if index:
            torch.testing.assert_close(core.prob(index), expected, atol=1e-5, rtol=0)
        assert torch.equal(core.label_map(index), engine.label_map(expected))


def everything(core):
    """Return all visible results of a session."""
    known = core.labels, core.state.given, list(core.state.pending)
    return [core.prob(index) for index in range(len(core.frames))], known


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first[0], second[0], strict=True)) and first[1] == second[1]


def two_rounds(core, mask):
    core.give(1, mask)
    yield from core.propagate()
    core.give(6, mask.roll(3, dims=1))
    yield from core.propagate()


def test_passes_stop_at_given_frames_and_never_change_them(network, small):
    frames, mask = small
    core = InteractiveCore(network, frames)
    core.give(1, mask)
    assert list(core.propagate()) == [2, 3, 4, 5, 6, 7, 0]
    assert list(core.propagate()) == []  # nothing new
    late = mask.roll(3, dims=1)
    before = [core.prob(index) for index in range(8)]
    core.give(6, late)
    assert torch.equal(core.label_map(6), late.byte())
    assert list(core.propagate()) == [7, 5, 4, 3, 2]
    assert torch.equal(core.label_map(1), mask.byte())
    assert torch.equal(core.label_map(6), late.byte())
    assert torch.equal(core.prob(0), before[0])  # beyond the other given frame
    assert not torch.equal(core.prob(4), before[4])


def test_without_fusion_masks_are_blended_by_distance(network, small):
    frames, mask = small
    core = InteractiveCore(network, frames, **EXACT)
    core.give(1, mask)
    list(core.propagate())
    old = [core.prob(index) for index in range(8)]
    core.give(6, mask.roll(3, dims=1))
    list(core.propagate(backward=False))
    assert torch.equal(core.prob(4), old[4])  # forward from 6 does not reach it
    list(core.propagate())
    alone = InteractiveCore(network, frames, **EXACT)  # the same pass without earlier masks
    alone.give(1, mask)
    alone.give(6, mask.roll(3, dims=1))
    list(alone.propagate(forward=False, first=2))
    for index in (2, 3, 4, 5):
        expected = torch.lerp(old[index], alone.prob(index), (index - 1) / 5)
        torch.testing.assert_close(core.prob(index), expected, atol=1e-5, rtol=0)


def test_ranges_limit_the_propagation(network, small):
    frames, mask = small
    core = InteractiveCore(network, frames)
    core.give(3, mask)
    assert list(core.propagate(first=2, last=5)) == [4, 5, 2]
    assert torch.equal(core.label_map(7), torch.zeros_like(mask).byte())
    assert list(core.propagate(first=6, backward=False)) == [6, 7]  # through 4 and 5
    assert list(core.propagate(first=3, last=3)) == []
    whole = InteractiveCore(network, frames)
    whole.give(3, mask)
    list(whole.propagate())
    assert torch.equal(whole.prob(7), core.prob(7))


def test_objects_are_added_and_corrected(network, clip_frames, clip_labels):
    frames, mask = [frame[:, :48, :80] for frame in clip_frames[:6]], clip_labels[1][:48, :80]
    core = InteractiveCore(network, frames, [1], fusion_network())
    core.give(0, mask)
    assert core.labels == [1, 2]
    list(core.propagate())
    before = core.state.memory
    core.give(0, torch.where(mask == 2, 0, mask))  # a correction: object 2 is not there
    assert len(core.state.memory) == 1
    assert core.state.memory[0] is not before[0]
    core.give(4, torch.where(mask == 2, 7, 0))
    assert core.labels == [1, 2, 7]
    list(core.propagate())
    assert core.prob(3).shape == (4, 48, 80)
    torch.testing.assert_close(core.prob(3).sum(dim=0), torch.ones(48, 80), atol=2e-3, rtol=0)
    assert (core.label_map(5) == 7).any()
    core.give(2, mask)
    core.give(3, torch.where(mask == 2, 9, 0))
    assert list(core.propagate(forward=False)) == [1]  # from 2, whose memory has no object 9

    appended = InteractiveCore(network, frames, append_memory=True)
    appended.give(0, mask)
    appended.give(0, mask)
    assert len(appended.state.memory) == 2


def test_a_full_store_uses_files_and_results_stay_the_same(network, small):
    frames, mask = small
    free = InteractiveCore(network, frames)
    bounded = InteractiveCore(network, frames, store_bytes=30_000, query_bytes=1)
    for core in (free, bounded):
        list(two_rounds(core, mask))
    folder = Path(bounded.store._folder.name)
    assert len(list(folder.iterdir())) > 4 and free.store._folder is None
    assert sum(array.nbytes for array in bounded.store.held.values()) <= 30_000
    assert all(torch.equal(free.prob(i), bounded.prob(i)) for i in range(8))
    assert len(list(folder.iterdir())) + len(bounded.store.held) == 8  # replaced ones are dropped
    del bounded, core
    assert not folder.exists()


def test_invalid_arguments_are_refused_and_change_nothing(network, small):
    frames, mask = small
    core = InteractiveCore(network, frames)
    core.give(0, mask)
    before = everything(core)
    for wrong in (
        lambda: core.give(8, mask),
        lambda: core.give(0, None),
        lambda: core.prob(-1),
        lambda: core.propagate(first=5, last=2),
        lambda: core.propagate(last=8),
        lambda: InteractiveCore(None, frames),
        lambda: InteractiveCore(network, frames, query_bytes=None),
        lambda: InteractiveCore(network, []),
        lambda: InteractiveCore(network, frames, store="int4"),
        lambda: InteractiveCore(network, frames, mem_every=None),
    ):
        refused(wrong)
    assert same(everything(core), before)


def test_a_failed_frame_has_changed_nothing(network, small, monkeypatch):
    core = InteractiveCore(network, small[0], fusion=fusion_network(), mem_every=2)
    rounds = two_rounds(core, small[1])
    assert [next(rounds) for _ in range(9)][7:] == [7, 5]  # of the second round
    before = everything(core)

    def fail(*_):
        raise torch.cuda.OutOfMemoryError

    with monkeypatch.context() as patch:
        patch.setattr(network, "decode", fail)
        assert "frame 4 does not fit into the GPU's memory" in refused(next, rounds)
    assert same(everything(core), before)
    assert list(core.propagate()) == [7, 5, 4, 3, 2]  # anew
