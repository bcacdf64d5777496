"""The one-shot fit: its samples and its script."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dataset.training.annotated_frames import (
    AnnotatedFrames,
    compose_layers,
    read_annotated_frames,
    relabel_parts,
    remove_objects,
)
from dataset.video_dataset import open_user_video
from model.checkpoint import is_single_object, load_file
from scripts.one_shot import held_out
from tests.conftest import run_main, write_frames, write_labels
from util.errors import InputError

MODULE = "scripts.fit_first_frame"


@pytest.fixture(scope="module")
def folder(clip, tmp_path_factory):
    """A video of four frames: labels 1 and 2 are given on the first, 3 on the third."""
    folder = tmp_path_factory.mktemp("fit")
    write_frames(folder / "frames", clip["frames"][:4])
    write_labels(folder / "masks/00000.png", np.where(clip["labels"][2] < 3, clip["labels"][2], 0))
    write_labels(folder / "masks/00002.png", np.where(clip["labels"][2] == 3, 3, 0))
    return folder


def frames_of(folder: Path, size: int):
    video = open_user_video(folder / "frames", folder / "masks", short_side=size).forward
    return read_annotated_frames(video)


def test_samples_show_every_object_and_differ_only_by_their_number(folder):
    frames = frames_of(folder, 88)
    samples, again = AnnotatedFrames(frames, 48, seed=1), AnnotatedFrames(frames, 48, seed=1)
    seconds = set()
    for index in range(24):
        sample = samples[index]
        seconds.add(bool(sample["sec_gt"].any()))
        assert sample["rgb"].shape == (3, 3, 48, 48)
        assert sample["gt"][0].any()  # what is memorised shows the first object
        assert sample["selector"].tolist() == [1, float(sample["sec_gt"].any())]
        assert torch.equal(sample["cls_gt"], (sample["gt"] + 2 * sample["sec_gt"])[:, 0].long())
        assert torch.equal(sample["rgb"], again[index]["rgb"])
    assert seconds == {False, True}
    assert not torch.equal(samples[0]["rgb"], AnnotatedFrames(frames, 48, seed=2)[0]["rgb"])


def test_the_second_frame_is_mostly_remembered_with_mistakes(folder):
    samples, overlaps = AnnotatedFrames(frames_of(folder, 88), 48, seed=1), []
    for index in range(40):
        sample = samples[index]
        true = torch.cat([sample["gt"], sample["sec_gt"]], dim=1)[:2]
        remembered = sample["remembered"]
        assert remembered.shape == (2, 2, 48, 48) and remembered.sum(dim=1).max() <= 1
        assert torch.equal(remembered[0], true[0])
        both, either = (remembered[1] * true[1]).sum(), torch.maximum(remembered[1], true[1]).sum()
        overlaps.append(float(both / either) if either else 1.0)
    right = [overlap for overlap in overlaps if overlap == 1]
    assert 0.25 * len(overlaps) < len(right) < 0.6 * len(overlaps)  # of 0.3, and mistakes that were none
    assert min(overlaps) > 0.1 and len(set(overlaps)) > 15


def test_objects_leave_a_background_without_them(folder):
    frame = frames_of(folder, 88)[0]
    picture, inside = frame[0], frame[1] > 0
    empty = remove_objects(frame)
    assert np.array_equal(empty[:5], picture[:5])
    assert (empty[inside] != picture[inside]).mean() > 0.9
    objects = AnnotatedFrames([frame], 48).objects
    assert np.array_equal(sum(part for parts in objects.values() for _, part, _ in parts), inside)


def test_layers_cover_those_below_them():
    white, black = np.full((9, 9, 3), 255, np.uint8), np.zeros((9, 9, 3), np.uint8)
    part = np.zeros((9, 9), np.uint8)
    part[2:7, 2:7] = 1
    picture, labels = compose_layers([(white, np.ones((9, 9), np.uint8)), (black, part), (white, part.T * 0)])
    assert np.array_equal(labels, part)
    assert (picture[3:6, 3:6] == 0).all() and (picture[0] == 255).all()
    assert 0 < picture[2, 4, 0] < 255  # a soft edge


def test_parts_move_between_objects_and_background():
    labels = np.zeros((80, 120), np.uint8)
    labels[20:60, 15:50] = 1
    labels[30:70, 50:100] = 2  # they touch
    passed = {(true, now): 0 for true in range(3) for now in range(3)}
    for seed in range(60):
        worse = relabel_parts(labels, np.random.default_rng(seed))
        for true, now in passed:
            passed[true, now] += int(((true == labels) & (worse == now)).any())
    assert min(passed.values()) > 5  # each has given to each
    assert passed[0, 0] == passed[1, 1] == passed[2, 2] == 60  # and kept something


def test_the_script_writes_weights_that_learnt(folder, tmp_path, monkeypatch, capsys):
    given = ["--frames", folder / "frames", "--masks", folder / "masks", "--crop_size", 32, "--device", "cpu"]
    first, more = tmp_path / "first.pth", tmp_path / "more.pth"
    monkeypatch.setattr(held_out, "MOST_SAMPLES", 2)
    run_main(monkeypatch, MODULE, *given, "--iterations", 2, "--output", first)
    assert "2 annotated frames" in capsys.readouterr().out
    run_main(monkeypatch, MODULE, *given, "--minutes", 0.01, "--load_network", first, "--output", more)
    before, after = load_file(first), load_file(more)
    assert not is_single_object(before)
    assert before.keys() == after.keys()
    assert not torch.equal(before["decoder.pred.weight"], after["decoder.pred.weight"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.pth", "more.pth"]


def test_weights_that_cannot_be_written_are_refused_before_the_fit(folder, tmp_path, monkeypatch):
    given = ["--frames", tmp_path / "none", "--masks", folder / "masks"]
    with pytest.raises(InputError, match="is a folder: give the name of a file"):
        run_main(monkeypatch, MODULE, *given, "--output", tmp_path)
