"""The frames that a limited memory keeps, by their times."""

from itertools import pairwise

import pytest
import torch

from model import InferenceCore
from model.memory_bank import ObjectMemory


def remember(memory, time, permanent=True, given=False):
    """Write a frame whose numbers are its time."""
    memory.write(torch.full((6, 4), float(time)), torch.full((6, 5), float(time)), time, permanent, given)


def held(memory):
    """Return the times of all frames in the view, with the temporary one."""
    return sorted(memory.view()[1][0, ::6, 0].tolist())


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_first_and_the_previous_frame_always_stay(limit):
    memory = ObjectMemory(max_frames=limit)
    for time in range(40):
        remember(memory, time, permanent=time % 5 == 0, given=time == 0)
        assert len(memory.times) <= limit
        assert memory.keys.shape[0] <= limit + 1
        assert {0, time} <= set(held(memory))
    expected = {1: [0], 2: [0, 35]}
    assert sorted(memory.times) == expected.get(limit, sorted(memory.times))


def test_predicted_frames_are_spread_evenly():
    memory = ObjectMemory(max_frames=5)
    for time in range(0, 200, 5):
        remember(memory, time)
    times = sorted(memory.times)
    assert (times[0], times[-1], len(times)) == (0, 195, 5)
    spread = [later - time for time, later in pairwise(times[:-1])]
    assert max(spread) <= 2 * min(spread)


def test_given_masks_outlast_predicted_ones():
    memory = ObjectMemory(max_frames=2)
    remember(memory, 0, given=True)
    remember(memory, 5)
    remember(memory, 8, given=True)
    for time in (13, 18, 23):  # predicted frames must not replace frame 8
        remember(memory, time)
        assert (sorted(memory.times), held(memory)) == ([0, 8], [0, 8, time])
    remember(memory, 25, given=True)  # a newer correction
    assert (sorted(memory.times), held(memory)) == ([0, 25], [0, 25])


def test_the_engine_keeps_given_masks(network):
    frames = torch.randn(9, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(32, 32, dtype=torch.uint8)
    mask[8:24, 8:24], mask[24:] = 1, 2
    given = {0: [1], 3: [2], 4: [1]}  # object 2 is late, object 1 is corrected
    for limit, times in ((1, [[0], [3]]), (2, [[0, 4], [3, 8]])):
        engine = InferenceCore(network, mem_every=2, max_memory_frames=limit)
        for index, frame in enumerate(frames):
            engine.step(frame, mask if index in given else None, given.get(index))
        assert [sorted(memory.times) for memory in engine.bank.objects] == times
