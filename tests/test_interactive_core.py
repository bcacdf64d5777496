import numpy as np
import pytest
import torch

from model import FusionNetwork, InferenceCore, InteractiveCore
from tests.conftest import GOLDEN
from tests.golden_weights import fill
from util.errors import InputError

EXACT = {"store": "float32"}


@pytest.fixture(scope="module")
def fusion():
    return fill(FusionNetwork(), "fusion.").eval()


def rounds(core):
    golden = np.load(GOLDEN / "interactive/interactive.npz")
    for number, (index, mask) in enumerate(zip(golden["frames_index"], golden["masks"], strict=True)):
        core.give(int(index), mask, labels=[1, 2])  # a third one in the map is background here
        done = list(core.propagate())
        yield golden, number, done


def test_three_rounds_match_golden(network, clip_frames, fusion):
    core = InteractiveCore(network, clip_frames, [1, 2], fusion, mem_every=2, append_memory=True, **EXACT)
    for golden, number, done in rounds(core):
        assert len(done) == len(set(done))
        for place, frame in enumerate(golden["prob_frames"]):
            expected = torch.from_numpy(golden[f"prob_{number}"][:, place])
            ours = core.prob(int(frame))
            difference = (ours - expected[..., 4:-4, 4:-4].float()).abs()
            assert difference.max() <= 2e-2
            assert difference.mean() <= 1e-4
        labels = torch.stack([core.label_map(i) for i in range(len(clip_frames))]).numpy()
        assert (labels != golden[f"labels_{number}"][:, 4:-4, 4:-4]).mean() < 1e-3


def test_forward_alone_equals_the_engine_that_goes_forward(network, clip_frames, clip_labels):
    core = InteractiveCore(network, clip_frames, **EXACT)
    engine = InferenceCore(network)
    core.give(0, clip_labels[2])
    assert list(core.propagate()) == list(range(1, 12))
    for index, frame in enumerate(clip_frames):
        expected = engine.step(frame, clip_labels[2] if index == 0 else None)
        if index:
            torch.testing.assert_close(core.prob(index), expected, atol=1e-5, rtol=0)
        assert torch.equal(core.label_map(index), engine.label_map(expected))
