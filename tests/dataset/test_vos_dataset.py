from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from dataset.image_io import denormalise
from dataset.training.sets import ALL_VIDEOS, PUBLISHED_SUBSET, stage_dataset
from dataset.vos_dataset import TRIES, VOSDataset, _large_enough, choose_frames, draw_frames
from tests.dataset.recipe_statistics import RECIPE, check_share
from tests.training.training_trees import seen_labels, write_davis_train, write_video
from util.errors import InputError

CROP = 96


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    images, masks = root / "JPEGImages", root / "Annotations"
    write_video(images, masks, "pair")
    write_video(images, masks, "single", labels=(3,))
    write_video(images, masks, "empty", labels=())
    write_video(images, masks, "short", frames=2)
    return images, masks


@pytest.fixture
def dataset(roots):
    return VOSDataset(*roots, max_jump=2, crop_size=CROP)


@pytest.mark.parametrize("row", RECIPE["vos_gaps"], ids=lambda row: f"{row['length']}-{row['max_jump']}")
def test_gaps_of_all_draws_are_the_originals(row):
    jump, steps = row["used_jump"], range(1, row["used_jump"] + 2)
    assert jump == min(row["length"], row["max_jump"])
    draws = product(range(row["start_max"] + 1), steps, steps)
    drawn = np.array([choose_frames(row["length"], jump, *draw) for draw in draws])
    assert len(drawn) == row["total"]
    for name, gaps in zip(("first_gap", "second_gap"), np.diff(drawn).T, strict=True):
        assert np.bincount(gaps, minlength=len(row[f"{name}_counts"])).tolist() == row[f"{name}_counts"]
        assert gaps.mean() == pytest.approx(row[f"{name}_mean"], abs=1e-6)
    start, middle, last = drawn.T
    assert (start == middle).sum() + (middle == last).sum() - row["all_three_same"] == row["some_frame_twice"]
    assert ((start == middle) & (middle == last)).sum() == row["all_three_same"]
    assert middle.max() <= row["middle_max"]
    assert last.max() <= row["last_max"]
    means = [row[f"{name}_mean"] for name in ("start", "middle", "last")]
    assert drawn.mean(0) == pytest.approx(means, abs=1e-6)


def test_draws_are_uniform_and_half_of_them_reversed():
    random = np.random.default_rng(0)
    row = next(row for row in RECIPE["vos_gaps"] if (row["length"], row["max_jump"]) == (60, 10))
    drawn = np.array([draw_frames(random, 60, 10) for _ in range(4000)])
    check_share(drawn[:, 0] > drawn[:, 2], {"n": 10**9, "p": 0.5})
    for name, column in zip(("first_gap", "second_gap"), np.diff(np.sort(drawn)).T, strict=True):
        for gap, count in enumerate(row[f"{name}_counts"]):
            check_share(column == gap, {"n": 10**9, "p": count / row["total"]})


def test_pictures_and_masks_change_together(dataset):
    swapped, checked = 0, 0
    for epoch in range(30):
        dataset.set_epoch(epoch)
        sample = dataset[1]
        if (sample["rgb"][0].std(0) < 0.3).all():  # grey
            continue
        checked += 1
        pictures = np.stack([denormalise(rgb) for rgb in sample["rgb"]])
        seen, labels = np.stack([seen_labels(frame) for frame in pictures]), sample["cls_gt"].numpy()
        if sample["selector"][1] == 0:
            seen[seen == 3 - np.median(seen[labels == 1])] = 0  # the other object is not on the first frame
        if np.median(seen[labels == 1]) == 2:  # which object is first is drawn
            swapped += 1
            seen = np.array([0, 2, 1, 0])[seen]
        assert (seen != labels).mean() < 0.02
    assert checked > 20
    assert 5 < swapped < checked - 5


def test_frames_are_drawn_again_until_an_object_is_visible(roots, tmp_path):
    write_video(roots[0], tmp_path, "pair", labels=(), frames=8)
    write_video(tmp_path / "images", tmp_path, "pair", frames=3)  # objects on three frames of eight
    write_video(*roots, "pair")  # restore the pictures
    dataset = VOSDataset(roots[0], tmp_path, max_jump=2, subset=["pair"], crop_size=CROP)
    hits = []
    for epoch in range(100):
        dataset.set_epoch(epoch)
        *_, labels = dataset.find("pair", dataset.generator(0))
        hits.append(bool(labels))
    random = np.random.default_rng(0)
    single = np.mean([draw_frames(random, 8, 2)[0] < 3 for _ in range(10_000)])
    check_share(hits, {"n": 10_000, "p": 1 - (1 - single) ** TRIES})  # 0.72; a single try has 0.22


@pytest.mark.parametrize(
    ("areas", "used"),
    [
        ((100, 50, 50), False),
        ((101, 399, 399), True),
        ((101, 399, 400), False),
        ((900, 400, 0), False),
        ((901, 4000, 4000), True),
        ((0, 4000, 4000), False),
    ],
)
def test_small_objects_of_bl30k(areas, used):
    masks = 7 * (torch.arange(64 * 64) < torch.tensor(areas)[:, None]).byte().view(3, 64, 64)
    assert _large_enough(masks) == [7] * used


@pytest.fixture
def stage_2(tmp_path, monkeypatch):
    """The data of stage 2 at the default places of a project in `project`, and the root of YouTubeVOS."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    youtube, davis = tmp_path / "YouTube/train_480p", tmp_path / "DAVIS/2017/trainval"
    for name in ("a", "b", "c"):
        write_video(youtube / "JPEGImages", youtube / "Annotations", name, step=5)
    write_video(davis / "JPEGImages/480p", davis / "Annotations/480p", "val-1")
    write_davis_train(davis, "train-1", "train-2")
    return youtube


def test_stage_2_mixes_youtube_and_five_times_davis(stage_2):
    dataset = stage_dataset(2, yv_subset=ALL_VIDEOS, crop_size=CROP)
    assert len(dataset) == 3 + 5 * 2
    names = [dataset[i]["info"]["name"] for i in range(len(dataset))]
    assert names == ["a", "b", "c"] + ["train-1", "train-2"] * 5
    assert not torch.equal(dataset[3]["rgb"], dataset[5]["rgb"])  # each of the five is drawn anew
    dataset.set_max_jump(10)
    assert [part._jump() for part in dataset.parts] == [2, 10]


def test_the_published_videos_of_youtube_are_the_default(stage_2):
    published = PUBLISHED_SUBSET.read_text().split()
    assert len(set(published)) == 3464
    with pytest.raises(InputError, match=r"has none of the 3464 videos .*: give --yv_subset all"):
        stage_dataset(2, crop_size=CROP)
    for kind in ("JPEGImages", "Annotations"):
        (stage_2 / kind / "b").rename(stage_2 / kind / published[0])
    davis = Path("../DAVIS/2017")  # in the layout of the original
    parts = stage_dataset(2, davis_root=davis, crop_size=CROP).parts
    assert [part.videos for part in parts] == [[published[0]], ["train-1", "train-2"]]
