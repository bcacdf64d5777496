"""The frames that a propagation computes, and their masks, compared with those of the engine."""

import numpy as np
import pytest
import torch.nn.functional as F

from model import InferenceCore
from scripts.annotator.gaps import gaps, unsettled
from scripts.annotator.rounds import Rounds
from scripts.annotator.settings import WorkerSettings
from tests.annotator.parts import SIZE, disc, write_frames

FRAMES = 5  # of the twelve frames, to save time


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    folder = write_frames(tmp_path_factory.mktemp("video") / "clip")
    for path in sorted(folder.iterdir())[FRAMES:]:
        path.unlink()
    return folder


@pytest.fixture(scope="module")
def rounds(video, loaded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.annotator.rounds.load_network", lambda *_: loaded)
        yield Rounds(WorkerSettings(video, folder, folder, 48, "cpu", "float32", False))


def results(rounds, weights, given, labels, remember_previous=True, **how):
    spoken = {frame: about for frame, (_, about) in given.items()}
    request = {"weights": weights, "given": given, "labels": labels, "remember_previous": remember_previous}
    request["gaps"] = gaps(spoken, labels, 0, FRAMES - 1, **how)
    return {frame: mask for _, frame, mask in rounds.run(request, lambda: False) if mask is not None}


def engine_after(network, rounds, given, *order, remember_previous=True):
    engine = InferenceCore(network, remember_previous=remember_previous)
    for index in order:
        mask, about = given[index]
        engine.step(rounds.frames[index], rounds.frames.reduced(mask), about)
    return engine


def at_full_size(prob):
    return F.interpolate(prob[None], SIZE, mode="bilinear", align_corners=False)[0]


def test_forward_from_one_frame_is_what_the_engine_gives(rounds, weights_file, loaded):
    given = {0: (disc(0).astype(np.uint8), [1])}
    found = results(rounds, weights_file, given, [1], remember_previous=False)
    engine = engine_after(loaded, rounds, given, 0, remember_previous=False)
    assert sorted(found) == [1, 2, 3, 4]
    for index in range(1, FRAMES):
        expected = at_full_size(engine.step(rounds.frames[index])).argmax(dim=0).numpy()
        assert (found[index] == expected).mean() > 0.999
        assert found[index].shape == SIZE


def test_between_two_frames_both_directions_are_blended_by_distance(rounds, weights_file, loaded):
    given = {0: (disc(0).astype(np.uint8), [1]), 4: (disc(4).astype(np.uint8), [1])}
    found = results(rounds, weights_file, given, [1])
    ahead, behind = (engine_after(loaded, rounds, given, *order) for order in ((4, 0), (0, 4)))
    there = {index: ahead.step(rounds.frames[index]) for index in (1, 2, 3)}
    back = {index: behind.step(rounds.frames[index]) for index in (3, 2, 1)}
    for index in (1, 2, 3):
        blended = (4 - index) / 4 * there[index] + index / 4 * back[index]
        expected = at_full_size(blended).argmax(dim=0).numpy()
        assert (found[index] == expected).mean() > 0.99
    assert sorted(found) == [1, 2, 3]


def test_an_object_drawn_on_a_later_frame_is_added_there(rounds, weights_file, loaded):
    second = np.zeros(SIZE, np.uint8)
    second[10:40, 110:150] = 2
    given = {0: (disc(0).astype(np.uint8), [1]), 2: (second, [2])}
    found = results(rounds, weights_file, given, [1, 2], backward=False)
    engine = engine_after(loaded, rounds, given, 2, 0)
    for index in range(1, FRAMES):
        mask, about = (rounds.frames.reduced(second), [2]) if index == 2 else (None, None)
        prob = engine.step(rounds.frames[index], mask, about)
        expected = engine.label_map(prob, SIZE).numpy()
        if index > 2:
            assert (found[index] == expected).mean() > 0.999


def test_one_drawn_frame_goes_both_ways():
    back, there = gaps({4: [1]}, [1], 0, 9)
    assert (back.frames, list(back.forward), list(back.backward)) == (range(4), [], [4, 3, 2, 1, 0])
    assert (there.frames, list(there.forward), list(there.backward)) == (range(5, 10), [4, 5, 6, 7, 8, 9], [])
    assert back.steps + there.steps == 9


def test_between_two_drawn_frames_the_nearer_counts_more():
    (gap,) = gaps({0: [1], 4: [1]}, [1], 0, 4)
    assert (list(gap.forward), list(gap.backward)) == ([0, 1, 2, 3], [4, 3, 2, 1])
    assert gap.shares == {1: [0.25], 2: [0.5], 3: [0.75]}
    assert gap.is_whole
    (gap,) = gaps({0: [1], 4: [1]}, [1], 0, 4, backward=False)
    assert (list(gap.forward), list(gap.backward), gap.shares) == ([0, 1, 2, 3], [], {1: [0], 2: [0], 3: [0]})


def test_a_frame_that_shows_only_some_objects_is_passed():
    spoken = {0: [1, 2], 6: [3]}
    (gap,) = gaps(spoken, [1, 2, 3], 0, 9)
    assert gap.frames == range(10)
    assert list(gap.forward) == [0, *range(1, 10)]
    assert list(gap.backward) == [6, 5, 4, 3, 2, 1, 0]
    assert gap.shares[3] == [0, 0, 1]
    assert not gap.is_whole
    assert gap.shares[8] == [0, 0, 0]
    (gap,) = gaps(spoken, [1, 2, 3], 0, 9, backward=False)
    assert gap.shares[3] == [0, 0, None]


def test_a_range_starts_from_drawn_frames_outside_of_it():
    (gap,) = gaps({0: [1], 20: [1]}, [1], 8, 12)
    assert gap.frames == range(8, 13)
    assert (gap.forward, gap.backward) == (range(13), range(20, 7, -1))
    assert gap.shares[10] == [0.5]
    assert gaps({0: [1]}, [1], 3, 6, forward=False) == []
    assert gaps({3: [1]}, [1], 3, 3) == []


def test_only_changed_gaps_are_filled_again():
    found = gaps({0: [1], 4: [1], 8: [1]}, [1], 0, 12)
    assert [gap.frames for gap in found] == [range(1, 4), range(5, 8), range(9, 13)]
    drawn, propagated = {0: 1, 4: 2, 8: 3}, dict.fromkeys({*range(13)} - {0, 4, 8}, 4)
    assert unsettled(found, {**propagated, **drawn, 4: 5}, drawn) == found[:2]
    assert unsettled(found, {**propagated, **drawn, 8: 5}, drawn) == found[1:]
    assert unsettled(found, {**propagated, **drawn, 2: 0}, drawn) == found[:1]
    assert unsettled(found, {**propagated, **drawn}, drawn) == found


def test_gaps_that_a_propagation_left_open_are_filled_by_the_next():
    found = gaps({0: [1], 4: [1], 8: [1]}, [1], 0, 12)
    versions = {**dict.fromkeys(range(13), 4), 0: 1, 4: 5, 8: 3}  # 4 was drawn again
    versions |= dict.fromkeys(range(5, 8), 6)  # a propagation forward, which was cancelled there
    versions |= {8: 7}  # and another frame was drawn again
    assert unsettled(found, versions, [0, 4, 8]) == found
    versions |= dict.fromkeys([5, 6, 7, 9, 10, 11, 12], 8)  # a propagation of the later frames
    assert unsettled(found, versions, [0, 4, 8]) == found[:1]


def test_frames_that_no_object_reaches_do_not_keep_a_gap_open():
    (gap,) = gaps({3: [1]}, [1, 2], 0, 5, backward=False)
    assert gap.frames == range(6)
    later = {4: 2, 5: 2}
    other = gaps({6: [1, 2], 8: [1, 2]}, [1, 2], 7, 7)
    assert unsettled([gap, *other], {3: 1, **later, 6: 1, 8: 1}, [3, 6, 8]) == other
