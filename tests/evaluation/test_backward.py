"""`--backward` propagates each object back from its first mask, and changes no other result."""

import numpy as np
import pytest
import torch
from PIL import Image

from dataset.image_io import normalise
from dataset.video_dataset import open_user_video
from model import InferenceCore
from scripts.evaluation.backward import joined
from tests.conftest import read_png, write_labels

COUNT = 7
PART = np.s_[:48, :80]


@pytest.fixture
def video(tmp_path, clip):
    """Frames without loss, and the labels of two objects on them."""
    (tmp_path / "frames").mkdir()
    for index in range(COUNT):
        Image.fromarray(clip["frames"][index][PART]).save(tmp_path / f"frames/{index:05}.png")
    return [frame[PART] for frame in clip["frames"][:COUNT]], clip["labels"][1][PART]


@pytest.fixture
def propagated(propagate, tmp_path, preloaded):
    """Return a function that propagates label maps by frame, and returns the written ones by frame."""

    def run(given, *flags):
        for index, labels in given.items():
            write_labels(tmp_path / f"masks/{index:05}.png", labels)
        out = tmp_path / f"out{len(flags)}"
        propagate(*flags, masks=tmp_path / "masks", output=out)
        return {int(path.stem): read_png(path) for path in sorted(out.glob("*.png"))}

    return run


def engine_maps(network, frames, given, order):
    """Label maps of one engine that goes through frames in an order, with label maps given on some."""
    engine, maps = InferenceCore(network), {}
    for index in order:
        mask = torch.from_numpy(given[index].copy()) if index in given else None
        maps[index] = engine.label_map(engine.step(normalise(frames[index]), mask)).numpy()
    return maps


CASES = {  # labels given on each frame, and then only those that count going back
    "one on the first frame": ({0: [1], 5: [2]}, {0: [1], 5: [2]}),
    "a correction": ({2: [1], 4: [1], 6: [2, 1]}, {2: [1], 6: [2]}),
}


@pytest.mark.parametrize("case", CASES)
def test_each_object_is_propagated_back_from_its_first_mask(case, video, propagated, network):
    frames, labels = video
    given, going_back = (
        {index: np.where(np.isin(labels, kept), labels, 0) for index, kept in each.items()}
        for each in CASES[case]
    )
    first, last = min(given), max(going_back)
    written = propagated(given, "--backward")
    assert sorted(written) == list(range(COUNT))
    ahead = engine_maps(network, frames, given, range(first, COUNT))
    back = engine_maps(network, frames, going_back, range(last, -1, -1))
    carried_somewhere = 0
    for index in range(COUNT):
        arrived = [label for start, kept in CASES[case][1].items() for label in kept if start > index]
        carried = np.where(np.isin(back.get(index, 0), arrived), back.get(index, 0), 0)
        expected = joined(ahead[index], carried) if index in ahead else carried
        assert (written[index] == expected).mean() > 0.999, index
        carried_somewhere += np.isin(written[index], arrived).sum()
    assert carried_somewhere > 0 or last == 0
    for index, labels_given in given.items():
        for label in np.unique(labels_given[labels_given > 0]):
            assert np.array_equal(written[index] == label, labels_given == label)


@pytest.mark.parametrize(
    ("flags", "names", "reversed_names"),
    [
        ({"end": 6}, range(2, 6), range(2, -1, -1)),
        ({"start": 2, "every": 4}, range(2, 7, 4), range(6, 1, -4)),
        ({"start": 6}, range(6, 7), None),
    ],
)
def test_backward_with_chosen_frames(flags, names, reversed_names, video, tmp_path):
    _, labels = video
    write_labels(tmp_path / "masks/00002.png", np.where(labels == 1, 1, 0))
    write_labels(tmp_path / "masks/00006.png", np.where(labels == 2, 2, 0))
    found = open_user_video(tmp_path / "frames", tmp_path / "masks", short_side=480, backward=True, **flags)
    assert [int(name) for name in found.forward.frames.names] == list(names)
    if reversed_names is None:
        assert found.backward is None
    else:
        assert [int(name) for name in found.backward.frames.names] == list(reversed_names)
        assert set(found.backward.masks) == set(found.backward.given_labels)


def test_probabilities_agree_with_the_masks(video, propagated, tmp_path):
    _, labels = video
    given = {2: np.where(labels == 1, 1, 0), 6: np.where(labels == 2, 2, 0)}
    propagated(given, "--save_probs", tmp_path / "ahead")
    propagated(given, "--backward", "--save_probs", tmp_path / "both")
    assert len(list((tmp_path / "both").iterdir())) == COUNT
    for index in range(COUNT):
        with np.load(tmp_path / f"both/{index:05}.npz") as saved:
            prob, names = saved["prob"].astype(np.float32), saved["labels"].tolist()
        assert sorted(names) == [0, 1, 2]
        assert np.abs(prob.sum(axis=0) - 1).max() < 3e-3
        if index >= 2:
            with np.load(tmp_path / f"ahead/{index:05}.npz") as saved:
                assert np.array_equal(prob[names.index(1)], saved["prob"][1].astype(np.float32))
