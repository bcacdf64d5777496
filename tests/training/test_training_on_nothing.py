"""Training data without objects, too little data, and files of another form than training data has."""

import numpy as np
import pytest
import torch
from PIL import Image

import train
from dataset.training.sets import ALL_VIDEOS, stage_dataset
from dataset.vos_dataset import VOSDataset
from scripts.training import loop
from tests.conftest import runs, write_labels
from tests.training.training_trees import coloured, write_jpeg, write_static, write_video
from util.errors import InputError
from util.hyper_para import training_settings
from util.ranks import Ranks

CROP = 64


def refill(masks, label_map):
    """Replace all label maps below a folder."""
    for path in masks.rglob("*.png"):
        write_labels(path, label_map)


@pytest.fixture
def bl_root(tmp_path):
    write_video(tmp_path / "JPEGImages", tmp_path / "Annotations", "a", frames=4)
    return tmp_path


def test_a_run_on_void_alone_ends_before_anything_is_made(bl_root, tmp_path_factory):
    """255 in a paletted mask is void, pixels of no object."""
    refill(bl_root / "Annotations", np.full((120, 214), 255))
    here = tmp_path_factory.mktemp("run")
    flags = ["--stage", 1, "--bl_root", bl_root, "--crop_size", CROP, "-b", 1, "-i", 1, "--device", "cpu"]
    done = runs().run(here, "train", *flags)
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith(f"error: there is nothing to train on in {bl_root / 'Annotations'}: ")
    assert "all masks read are empty" in error
    assert "255, which is void" in error
    assert "Traceback" not in done.stderr
    assert not list(here.iterdir())


def test_objects_that_the_rule_of_bl30k_leaves_out_are_no_data_either(bl_root):
    """An object of 100 of 25,680 pixels has at most some 64 in a crop of 64 x 64 that shows a quarter."""
    label_map = np.zeros((120, 214))
    label_map[50:60, 100:110] = 3
    refill(bl_root / "Annotations", label_map)
    with pytest.raises(
        InputError, match=r"Annotations: 50 samples .* no object is large enough in the crops of 64"
    ):
        stage_dataset(1, bl_root=bl_root, crop_size=CROP)


def test_each_folder_of_stage_2_has_to_show_objects(tmp_path):
    youtube, davis = tmp_path / "YouTube/train_480p", tmp_path / "DAVIS/trainval"
    for name in ("a", "b"):
        write_video(youtube / "JPEGImages", youtube / "Annotations", name, frames=4)
    write_video(davis / "JPEGImages/480p", davis / "Annotations/480p", "c", labels=(), frames=4)
    (davis / "ImageSets/2017").mkdir(parents=True)
    (davis / "ImageSets/2017/train.txt").write_text("c\n")
    roots = {"yv_root": tmp_path / "YouTube", "davis_root": tmp_path / "DAVIS", "crop_size": CROP}
    roots["yv_subset"] = ALL_VIDEOS
    with pytest.raises(InputError, match=r"nothing to train on in \S*DAVIS/trainval/Annotations/480p: "):
        stage_dataset(2, **roots)
    refill(youtube / "Annotations/a", np.zeros((120, 214)))  # one video of two is in order
    del roots["davis_root"]
    assert len(stage_dataset(2, **roots)) == 2
    refill(youtube / "Annotations/b", np.zeros((120, 214)))
    with pytest.raises(InputError, match=r"nothing to train on in \S*train_480p/Annotations: "):
        stage_dataset(2, **roots)


def test_one_video_of_many_is_enough(tmp_path):
    for number in range(60):
        write_video(tmp_path / "i", tmp_path / "m", f"{number:02}", labels=(1,) * (number >= 55), frames=3)
    assert len(VOSDataset(tmp_path / "i", tmp_path / "m", max_jump=1, crop_size=CROP)) == 60


@pytest.mark.parametrize("name", ["ecssd", "fss/ant"])
def test_static_masks_that_are_all_empty_name_their_folder(name, tmp_path):
    write_static(tmp_path / "BIG_small", "1")
    for number in range(3):
        write_static(tmp_path / name, str(number))
    refill(tmp_path / name, np.zeros((150, 200)))
    folder = tmp_path / name.split("/")[0]
    with pytest.raises(InputError, match=rf"nothing to train on in {folder}: of its 3 masks 3 were read"):
        stage_dataset(0, static_root=tmp_path)
    write_static(tmp_path / name, "2")
    assert len(stage_dataset(0, static_root=tmp_path)) == 3 + 5


def test_fewer_samples_than_a_batch_are_said_and_trained_on(tmp_path, monkeypatch, caplog):
    write_static(tmp_path / "ecssd", "1")
    monkeypatch.chdir(tmp_path)
    flags = ["--stage", 0, "--static_root", tmp_path, "--crop_size", 32, "-b", 3, "-i", 1, "--num_workers", 0]
    arguments = [*map(str, flags), "--device", "cpu"]
    monkeypatch.setattr("train.imagenet_state_dict", lambda: None)
    settings, ranks = training_settings(arguments), Ranks(torch.device("cpu"))
    assert loop.train(train.propagation_task(settings, ranks), settings, ranks) == 0
    assert "The training set has 1 samples, fewer than the whole batch of 3" in caplog.text


def test_videos_of_two_frames_are_named(tmp_path, caplog):
    write_video(tmp_path / "i", tmp_path / "m", "long", frames=3)
    write_video(tmp_path / "i", tmp_path / "m", "short", frames=2)
    assert VOSDataset(tmp_path / "i", tmp_path / "m", max_jump=1, crop_size=CROP).videos == ["long"]
    assert "1 of the 2 videos are not used" in caplog.text
    assert "less than 3 of their frames, and a sample takes as many: short" in caplog.text


def test_pictures_as_png_among_static_sets_are_named(tmp_path, caplog):
    write_static(tmp_path / "ecssd", "1")
    picture = coloured(np.zeros((60, 80), np.uint8))
    Image.fromarray(picture).save(tmp_path / "ecssd/2.png")
    assert len(stage_dataset(0, static_root=tmp_path)) == 1
    assert f"{tmp_path / 'ecssd/2.png'} and 0 more PNGs have no picture beside them" in caplog.text
    (tmp_path / "ecssd/1.jpg").unlink()
    with pytest.raises(InputError, match="no pictures as PNG, which would be taken for masks"):
        stage_dataset(0, static_root=tmp_path)
    write_jpeg(tmp_path / "ecssd/1.jpeg", np.asarray(Image.open(tmp_path / "ecssd/1.png").convert("RGB")))
    assert len(stage_dataset(0, static_root=tmp_path)) == 1
