"""What a propagation works out, against the engine used by hand."""

import numpy as np
import pytest
import torch

from dataset.image_io import normalise, read_image
from model import InferenceCore
from scripts.annotator.gaps import gaps
from scripts.annotator.rounds import Rounds
from scripts.annotator.worker import WorkerSettings
from tests.annotator_parts import SIZE, disc, write_frames

FRAMES = 5  # of the twelve: each takes the network a moment


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    folder = write_frames(tmp_path_factory.mktemp("video") / "clip")
    for path in sorted(folder.iterdir())[FRAMES:]:
        path.unlink()
    return folder


@pytest.fixture(scope="module")
def rounds(video, tmp_path_factory):
    return Rounds(WorkerSettings(video, tmp_path_factory.mktemp("core"), 480, "cpu", False, False))


def results(rounds, weights, given, labels, stop=lambda: False, **how):
    spoken = {frame: about for frame, (_, about) in given.items()}
    request = {"weights": weights, "given": given, "labels": labels}
    request["gaps"] = gaps(spoken, labels, 0, FRAMES - 1, **how)
    return {frame: mask for _, frame, mask in rounds.run(request, stop) if mask is not None}


def frame(video, index):
    return normalise(read_image(video / f"{index:05}.png"))


def engine_after(network, video, given, *order):
    engine = InferenceCore(network)
    for index in order:
        mask, about = given[index]
        engine.step(frame(video, index), torch.tensor(mask), about)
    return engine


def test_forward_from_one_frame_is_what_the_engine_gives(rounds, video, weights_file, loaded):
    given = {0: (disc(0).astype(np.uint8), [1])}
    found = results(rounds, weights_file, given, [1])
    engine = engine_after(loaded, video, given, 0)
    assert sorted(found) == [1, 2, 3, 4]
    for index in range(1, FRAMES):
        expected = engine.label_map(engine.step(frame(video, index))).numpy()
        assert (found[index] == expected).mean() > 0.999
        assert found[index].shape == SIZE


def test_between_two_frames_both_directions_are_blended_by_distance(rounds, video, weights_file, loaded):
    given = {0: (disc(0).astype(np.uint8), [1]), 4: (disc(4).astype(np.uint8), [1])}
    found = results(rounds, weights_file, given, [1])
    ahead, behind = engine_after(loaded, video, given, 4, 0), engine_after(loaded, video, given, 0, 4)
    there = {index: ahead.step(frame(video, index)) for index in (1, 2, 3)}
    back = {index: behind.step(frame(video, index)) for index in (3, 2, 1)}
    for index in (1, 2, 3):
        blended = (4 - index) / 4 * there[index] + index / 4 * back[index]
        expected = blended.argmax(dim=0).numpy()
        assert (found[index] == expected).mean() > 0.99
    assert sorted(found) == [1, 2, 3]


def test_an_object_drawn_later_is_joined_on_the_way(rounds, video, weights_file, loaded):
    second = np.zeros(SIZE, np.uint8)
    second[10:40, 110:150] = 2
    given = {0: (disc(0).astype(np.uint8), [1]), 2: (second, [2])}
    found = results(rounds, weights_file, given, [1, 2], backward=False)
    engine = engine_after(loaded, video, given, 2, 0)
    for index in range(1, FRAMES):
        mask, about = (torch.tensor(second), [2]) if index == 2 else (None, None)
        expected = engine.label_map(engine.step(frame(video, index), mask, about)).numpy()
        if index > 2:
            assert (found[index] == expected).mean() > 0.999
    assert np.array_equal(found[2] == 2, second == 2)


def test_it_stops_between_two_frames(rounds, weights_file):
    given = {0: (disc(0).astype(np.uint8), [1])}
    asked = []
    found = results(rounds, weights_file, given, [1], stop=lambda: asked.append(1) or len(asked) == 2)
    assert sorted(found) == [1, 2]


def test_frames_are_reduced_and_masks_come_back_at_the_videos_size(video, tmp_path, weights_file):
    small = Rounds(WorkerSettings(video, tmp_path, 48, "cpu", False, False))
    assert small.frames[0].shape == (3, 48, 80)
    found = results(small, weights_file, {0: (disc(0).astype(np.uint8), [1])}, [1])
    assert {mask.shape for mask in found.values()} == {SIZE}
