import re

import numpy as np
import pytest
import torch

from dataset import static_dataset
from dataset.image_io import denormalise
from dataset.static_dataset import StaticDataset, find_pairs
from dataset.training.sets import stage_dataset
from tests.conftest import refused, write_labels
from tests.dataset.recipe_statistics import RECIPE, check_share, check_stats
from tests.training.training_trees import coloured, seen_labels, write_jpeg, write_static

CROP = 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flat")
    for index in range(4):
        write_static(folder, f"wide{index}")
    write_static(folder, "tall", 210, 160)
    write_static(folder, "large", 600, 800)
    return folder


@pytest.fixture
def dataset(folder):
    return StaticDataset(find_pairs(folder), CROP, seed=3)


def same(first, second) -> bool:
    return all(torch.equal(first[key], second[key]) for key in ("rgb", "gt", "cls_gt"))


def test_picture_and_mask_change_together(dataset):
    checked = 0
    for epoch in range(5):
        dataset.set_epoch(epoch)
        for index in range(len(dataset)):
            sample = dataset[index]
            if (sample["rgb"][0].std(0) < 0.3).all():  # grey
                continue
            for rgb, labels in zip(sample["rgb"], sample["cls_gt"].numpy(), strict=True):
                checked += 1
                assert (seen_labels(denormalise(rgb)) != labels).mean() < 0.03
    assert checked > 60


def test_masks_are_as_soft_and_as_large_as_the_originals(tmp_path):
    """Fifty samples of the picture that the golden statistics were made with."""
    golden = RECIPE["static_masks"]
    rows, columns = np.mgrid[: golden["height"], : golden["width"]]
    x, y = golden["disk_center_x_y"]
    disc = (columns - x) ** 2 + (rows - y) ** 2 <= golden["disk_radius"] ** 2
    write_jpeg(tmp_path / "disc.jpg", coloured(disc.astype(np.uint8)))
    write_labels(tmp_path / "disc.png", disc * np.uint8(255), paletted=False)
    dataset, masks = StaticDataset(find_pairs(tmp_path)), []
    for epoch in range(50):
        dataset.set_epoch(epoch)
        masks.append(dataset[0]["gt"])
    soft = torch.stack([((gt > 0) & (gt < 1)).float().mean((1, 2, 3)) for gt in masks])
    check_stats(soft[:, 0].tolist(), golden["soft_share_first_frame"], 4)
    check_stats(soft.flatten().tolist(), golden["soft_share_all_three_frames"], 4)
    check_share((soft[:, 0] > 0).tolist(), golden["first_frames_with_soft"])
    check_stats([int((gt[0] > 0.5).sum()) for gt in masks], golden["object_pixels_first_frame"], 1)
    check_stats([float(gt[0].sum()) for gt in masks], golden["mask_sum_first_frame"], 1)


def test_draws_follow_the_published_chances(tmp_path, monkeypatch):
    """600 samples; the names are those of the steps that are not part of every sample."""
    calls = {name: [] for name in ("mirror", "to_grey", "draw_control_points", "zoom_canvas")}
    for name, seen in calls.items():
        step = getattr(static_dataset, name)
        monkeypatch.setattr(
            static_dataset, name, lambda *a, step=step, seen=seen: (seen.append(a), step(*a))[1]
        )
    write_static(tmp_path, "small", 24, 32)
    dataset = StaticDataset(find_pairs(tmp_path) * 600, 16)
    for index in range(len(dataset)):
        dataset[index]
    shares = {name: len(seen) / len(dataset) for name, seen in calls.items()}
    assert 0.44 < shares["mirror"] / 2 < 0.56  # picture and mask
    assert 0.02 < shares["to_grey"] < 0.08
    assert 0.3 < shares["draw_control_points"] / 3 < 0.37  # frames
    scales = [scale for _, scale in calls["zoom_canvas"]]
    assert 0.8 <= min(scales) < 0.82
    assert 1.48 < max(scales) <= 1.5


def test_a_sample_depends_on_seed_epoch_and_index_alone(folder, dataset):
    first = dataset[1]
    assert same(first, StaticDataset(find_pairs(folder), CROP, seed=3)[1])
    assert not same(first, StaticDataset(find_pairs(folder), CROP, seed=4)[1])
    dataset.set_epoch(1)
    assert not same(first, dataset[1])
    dataset.set_epoch(0)
    assert same(first, dataset[1])


def test_stage_0_uses_the_folders_that_exist(tmp_path, caplog):
    assert "give fss at --static_root or DUTS-TR" in refused(stage_dataset, 0, static_root=tmp_path)
    (tmp_path / "ecssd").mkdir()
    assert "ecssd holds no picture" in refused(stage_dataset, 0, static_root=tmp_path)
    (tmp_path / "ecssd").rmdir()
    write_static(tmp_path / "fss" / "ant", "1")
    write_static(tmp_path / "fss" / "bee", "1")
    write_static(tmp_path / "BIG_small", "1")
    write_static(tmp_path / "not-listed", "1")
    dataset = stage_dataset(0, static_root=tmp_path, crop_size=CROP)
    assert len(dataset) == 2 + 5
    missing = "training data: DUTS-TR is not there .*; it is about 28 % of the static pictures in the publ"
    assert re.search(missing, caplog.text)
    assert dataset[6]["info"]["name"] == "1.jpg"
    assert not same(dataset[5], dataset[6])  # the same picture, drawn anew
    (tmp_path / "fss" / "bee" / "1.png").unlink()
    assert "bee/1.jpg has no mask" in refused(stage_dataset, 0, static_root=tmp_path)
