import random
import re

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from dataset.image_io import denormalise
from dataset.static_dataset import StaticDataset, draw, flat_folder
from dataset.training.sets import stage_dataset
from tests.conftest import run_main, write_labels
from tests.dataset.plain_loading import static_frames
from tests.dataset.recipe_statistics import RECIPE, check_share, check_stats
from tests.training.training_trees import coloured, seen_labels, write_jpeg, write_static
from util.errors import InputError

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
    return StaticDataset(flat_folder(folder), CROP, seed=3)


def same(first, second) -> bool:
    return all(torch.equal(first[key], second[key]) for key in ("rgb", "gt", "cls_gt"))


def test_form_of_a_sample(dataset):
    sample = dataset[0]
    assert set(sample) == {"rgb", "gt", "cls_gt", "info"}
    assert (sample["rgb"].shape, sample["rgb"].dtype) == ((3, 3, CROP, CROP), torch.float32)
    assert (sample["gt"].shape, sample["gt"].dtype) == ((3, 1, CROP, CROP), torch.float32)
    assert (sample["cls_gt"].shape, sample["cls_gt"].dtype) == ((3, CROP, CROP), torch.int64)
    assert torch.equal((sample["gt"][:, 0] > 0.5).long(), sample["cls_gt"])
    assert sample["info"] == {"name": "large.jpg", "frames": ["large.jpg"] * 3}
    assert not torch.equal(sample["cls_gt"][0], sample["cls_gt"][1])


def test_picture_and_mask_change_together(dataset):
    checked = 0
    for epoch in range(5):
        dataset.set_epoch(epoch)
        for index in range(len(dataset)):
            if draw(dataset.streams.generator(index)).grey:
                continue
            sample = dataset[index]
            for rgb, labels in zip(sample["rgb"], sample["cls_gt"].numpy(), strict=True):
                checked += 1
                assert (seen_labels(denormalise(rgb)) != labels).mean() < 0.03
    assert checked > 60


def test_samples_are_those_of_the_plain_formulation(dataset):
    for epoch in range(3):
        dataset.set_epoch(epoch)
        for index in range(len(dataset)):
            sample = dataset[index]
            frames, masks = static_frames(
                *dataset.pictures[index], draw(dataset.streams.generator(index)), CROP
            )
            assert (sample["rgb"] - frames).abs().mean() < 0.12  # 1 is a standard deviation of ImageNet
            ours = sample["gt"][:, 0] > 0.5
            assert (ours & masks).sum() > 0.93 * (ours | masks).sum()


@pytest.fixture(scope="module")
def disc_samples(tmp_path_factory):
    """A hundred samples of the picture that the golden statistics were made with."""
    golden, folder = RECIPE["static_masks"], tmp_path_factory.mktemp("disc")
    rows, columns = np.mgrid[: golden["height"], : golden["width"]]
    x, y = golden["disk_center_x_y"]
    disc = (columns - x) ** 2 + (rows - y) ** 2 <= golden["disk_radius"] ** 2
    write_jpeg(folder / "disc.jpg", coloured(disc.astype(np.uint8)))
    write_labels(folder / "disc.png", disc * np.uint8(255), paletted=False)
    dataset, samples = StaticDataset(flat_folder(folder)), []
    for epoch in range(100):
        dataset.set_epoch(epoch)
        samples.append({name: dataset[0][name] for name in ("gt", "cls_gt")})
    return samples


def test_masks_are_soft_at_their_borders_as_often_as_the_originals(disc_samples):
    golden = RECIPE["static_masks"]
    soft = [((s["gt"] > 0) & (s["gt"] < 1)).float().mean((1, 2, 3)) for s in disc_samples]
    check_stats([float(shares[0]) for shares in soft], golden["soft_share_first_frame"], 4)
    check_stats(torch.stack(soft).flatten().tolist(), golden["soft_share_all_three_frames"], 4)
    check_share([bool(shares[0] > 0) for shares in soft], golden["first_frames_with_soft"])


def test_soft_pixels_of_each_pixel_of_contour(disc_samples):
    def soft_for_each(mask) -> float:
        inside = (mask > 0.5).astype(np.uint8)
        contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        return ((mask > 0) & (mask < 1)).sum() / sum(map(len, contours))

    golden = RECIPE["static_masks"]["soft_pixels_per_contour_pixel"]
    check_stats([soft_for_each(sample["gt"][0, 0].numpy()) for sample in disc_samples], golden, 4)


def test_masks_are_as_large_as_the_originals(disc_samples):
    golden, first = RECIPE["static_masks"], [sample["gt"][0] for sample in disc_samples]
    check_stats([int((gt > 0.5).sum()) for gt in first], golden["object_pixels_first_frame"], 1)
    check_stats([float(gt.sum()) for gt in first], golden["mask_sum_first_frame"], 1)


def test_the_loss_sees_hard_masks(disc_samples):
    assert all(torch.equal(s["cls_gt"], (s["gt"][:, 0] > 0.5).long()) for s in disc_samples)


def test_grey_levels_of_a_mask_are_memorised(tmp_path):
    write_static(tmp_path, "a")
    write_labels(tmp_path / "a.png", np.full((150, 200), 102), paletted=False)
    sample = StaticDataset(flat_folder(tmp_path), CROP)[0]
    assert torch.isclose(sample["gt"], torch.tensor(102 / 255)).float().mean() > 0.4
    assert not sample["cls_gt"].any()


def test_draws_follow_the_published_chances():
    drawn = [draw(np.random.default_rng(seed)) for seed in range(600)]
    assert 0.44 < np.mean([sample.flip for sample in drawn]) < 0.56
    assert 0.02 < np.mean([sample.grey for sample in drawn]) < 0.08
    frames = [frame for sample in drawn for frame in sample.frames]
    assert 0.3 < np.mean([frame.control_points is not None for frame in frames]) < 0.37
    scales = [sample.scale for sample in drawn]
    assert 0.8 <= min(scales) < 0.82
    assert 1.48 < max(scales) <= 1.5


def test_a_sample_depends_on_seed_epoch_and_index_alone(folder, dataset):
    first = dataset[1]
    assert same(first, dataset[1])
    assert same(first, StaticDataset(flat_folder(folder), CROP, seed=3)[1])
    assert not same(first, StaticDataset(flat_folder(folder), CROP, seed=4)[1])
    dataset.set_epoch(1)
    assert not same(first, dataset[1])
    dataset.set_epoch(0)
    assert same(first, dataset[1])


def test_workers_draw_the_same_samples_and_see_the_epoch(dataset):
    loader = DataLoader(dataset, batch_size=2, num_workers=2, persistent_workers=True)
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        batches = list(loader)
        rgb = torch.cat([batch["rgb"] for batch in batches])
        assert torch.equal(rgb, torch.stack([dataset[i]["rgb"] for i in range(len(dataset))]))
        assert batches[0]["info"]["name"] == ["large.jpg", "tall.jpg"]


def test_global_random_state_is_neither_read_nor_changed(dataset):
    def state():
        return str((torch.get_rng_state().tolist(), np.random.get_state(), random.getstate()))

    torch.manual_seed(1)
    before = state()
    first = dataset[2]
    assert state() == before
    torch.manual_seed(2)
    assert same(first, dataset[2])


def test_masks_may_be_paletted_or_of_another_resolution(tmp_path, folder):
    write_static(tmp_path, "grey", 120, 160)
    plain = StaticDataset(flat_folder(tmp_path), CROP)[0]
    mask = np.asarray(plain["cls_gt"])
    grey = np.asarray(Image.open(tmp_path / "grey.png"))
    write_labels(tmp_path / "grey.png", grey // 255)  # label 1, paletted
    assert torch.equal(StaticDataset(flat_folder(tmp_path), CROP)[0]["cls_gt"], torch.from_numpy(mask))
    write_labels(tmp_path / "grey.png", grey.repeat(2, 0).repeat(2, 1), paletted=False)
    larger = StaticDataset(flat_folder(tmp_path), CROP)[0]["cls_gt"]
    assert (larger.numpy() != mask).mean() < 0.01


def test_a_mask_of_another_shape_is_an_error(tmp_path):
    write_static(tmp_path, "a")
    write_labels(tmp_path / "a.png", np.zeros((200, 200)), paletted=False)
    with pytest.raises(InputError, match=r"a\.png is 200 x 200, its picture .*a\.jpg 200 x 150"):
        StaticDataset(flat_folder(tmp_path), CROP)[0]


def test_a_damaged_picture_is_named(tmp_path):
    write_static(tmp_path, "a")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:900])
    with pytest.raises(InputError, match=r"a\.jpg cannot be read"):
        StaticDataset(flat_folder(tmp_path), CROP)[0]


def test_stage_0_takes_the_folders_that_are_there(tmp_path, caplog):
    with pytest.raises(InputError, match="give fss at --static_root or DUTS-TR"):
        stage_dataset(0, static_root=tmp_path)
    (tmp_path / "ecssd").mkdir()
    with pytest.raises(InputError, match="hold no picture"):
        stage_dataset(0, static_root=tmp_path)
    write_static(tmp_path / "fss" / "ant", "1")
    write_static(tmp_path / "fss" / "bee", "1")
    write_static(tmp_path / "BIG_small", "1")
    write_static(tmp_path / "not-listed", "1")
    caplog.set_level("INFO")
    dataset = stage_dataset(0, static_root=tmp_path, crop_size=CROP)
    assert len(dataset) == 2 + 5
    assert f"{tmp_path / 'fss'} is there." in caplog.text
    missing = "training data: DUTS-TR is not there .*; it is about 28 % of the static pictures in the publ"
    assert re.search(missing, caplog.text)
    assert dataset[6]["info"]["name"] == "1.jpg"
    assert not same(dataset[5], dataset[6])  # the same picture, drawn anew
    before = dataset[5]
    dataset.set_epoch(1)
    assert not same(dataset[5], before)
    (tmp_path / "fss" / "bee" / "1.png").unlink()
    with pytest.raises(InputError, match=r"bee/1\.jpg has no mask"):
        stage_dataset(0, static_root=tmp_path)


def test_show_samples_writes_the_grid(tmp_path, monkeypatch):
    write_static(tmp_path / "ecssd", "1")
    output = tmp_path / "shown/samples.png"
    flags = ["--stage", 0, "--static_root", tmp_path, "--samples", 2, "--output", output]
    run_main(monkeypatch, "scripts.show_samples", *flags)
    assert Image.open(output).width == 3 * (384 + 4)
