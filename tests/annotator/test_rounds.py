"""The masks of a propagation, compared with those of the engine."""

import numpy as np
import pytest
import torch.nn.functional as F

from model import InferenceCore
from scripts.annotator.gaps import gaps
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
