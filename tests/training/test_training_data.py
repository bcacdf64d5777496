"""Training data of the user; data without objects, too little data, and files in another form."""

import re

import numpy as np
import pytest
from PIL import Image

from dataset.training.sets import ALL_VIDEOS, stage_dataset
from tests import forked_runs
from tests.conftest import refused, write_labels
from tests.training.training_trees import coloured, write_davis_train, write_jpeg, write_static, write_video
from util.errors import InputError
from util.hyper_para import parse_training_settings

CROP = 32


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A root of two videos, in a project without published data."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    for name in ("x", "y"):
        write_video(tmp_path / "own/JPEGImages", tmp_path / "own/Annotations", name, frames=4)
    return tmp_path / "own"


def warnings(caplog):
    return [record.message for record in caplog.records if record.levelname == "WARNING"]


def test_own_videos_need_no_published_set(own, caplog):
    caplog.set_level("INFO")
    dataset = stage_dataset(2, videos=[(str(own), 3), (str(own), 1)], crop_size=CROP)
    assert len(dataset) == 2 * 3 + 2
    assert f"2 videos of {own}, each 3 times." in caplog.text
    assert not warnings(caplog)
    dataset.set_max_jump(10)
    assert [part._jump() for part in dataset.parts] == [10, 10]  # frames are counted one by one
    assert not np.array_equal(dataset[0]["rgb"], dataset[6]["rgb"])  # each root has its own random numbers


def test_own_videos_join_the_published_sets_unless_only_own_is_given(own, caplog):
    youtube = own.parent / "YouTube/train_480p"
    write_video(youtube / "JPEGImages", youtube / "Annotations", "a", frames=4)
    settings = {"videos": [(str(own), 1)], "yv_subset": ALL_VIDEOS, "crop_size": CROP}
    assert [part.videos for part in stage_dataset(2, **settings).parts] == [["a"], ["x", "y"]]
    assert len(warnings(caplog)) == 1  # DAVIS is missing from the published recipe
    assert [part.videos for part in stage_dataset(2, **settings, only_own=True).parts] == [["x", "y"]]
    assert "--davis_root holds no DAVIS 2017" in refused(stage_dataset, 2, **settings, davis_root=own)


def test_own_pictures(own, caplog):
    caplog.set_level("INFO")
    pictures = own.parent / "pictures"
    write_static(pictures, "1")
    write_static(pictures / "inner", "2")
    assert len(stage_dataset(0, pictures=[(str(pictures), 2)], crop_size=CROP)) == 4
    assert not warnings(caplog)
    write_static(own.parent / "static/ecssd", "3")
    assert len(stage_dataset(0, pictures=[(str(pictures), 2)], crop_size=CROP)) == 5
    assert len(stage_dataset(0, pictures=[(str(pictures), 1)], only_own=True, crop_size=CROP)) == 2


def test_flags_of_own_data():
    settings = parse_training_settings(["--stage", "2", "--videos", "a:3", "--videos", "b/c:d", "--only_own"])
    assert settings.videos == [("a", 3), ("b/c:d", 1)]
    for flags, message in (
        ("--stage 1 --videos a", "^--videos is for stage 2, and this is stage 1"),
        ("--stage 2 --pictures a", "^--pictures is for stage 0, and this is stage 2"),
        ("--stage 2 --only_own", "^--only_own needs own data"),
    ):
        assert re.search(message, refused(parse_training_settings, flags.split()))
    with pytest.raises(SystemExit):
        parse_training_settings(["--stage", "2", "--videos", "a:0"])


def refill(masks, label_map):
    """Replace all label maps below a folder."""
    for path in masks.rglob("*.png"):
        write_labels(path, label_map)


@pytest.fixture
def bl_root(tmp_path):
    write_video(tmp_path / "JPEGImages", tmp_path / "Annotations", "a", frames=4)
    return tmp_path


@pytest.mark.slow
def test_training_on_void_alone_ends_before_it_writes_anything(bl_root, tmp_path_factory):
    """255 in a paletted mask is void, pixels of no object."""
    refill(bl_root / "Annotations", np.full((120, 214), 255))
    here = tmp_path_factory.mktemp("run")
    flags = ["--stage", 1, "--bl_root", bl_root, "--crop_size", 64, "-b", 1, "-i", 1, "--device", "cpu"]
    done = forked_runs.run(here, "train", *flags)
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith(f"error: there is nothing to train on in {bl_root / 'Annotations'}: ")
    assert "255 in a paletted mask is void" in error
    assert "Traceback" not in done.stderr
    assert not list(here.iterdir())


def test_each_folder_of_stage_2_has_to_show_objects(tmp_path):
    youtube, davis = tmp_path / "YouTube/train_480p", tmp_path / "DAVIS/trainval"
    for name in ("a", "b"):
        write_video(youtube / "JPEGImages", youtube / "Annotations", name, frames=4)
    write_davis_train(davis, "c", labels=(), frames=4)
    roots = {"yv_root": tmp_path / "YouTube", "davis_root": tmp_path / "DAVIS", "crop_size": 64}
    roots["yv_subset"] = ALL_VIDEOS
    with pytest.raises(InputError, match=r"nothing to train on in \S*DAVIS/trainval/Annotations/480p: "):
        stage_dataset(2, **roots)
    refill(youtube / "Annotations/a", np.zeros((120, 214)))  # one video of two is in order
    del roots["davis_root"]
    assert len(stage_dataset(2, **roots)) == 2
    refill(youtube / "Annotations/b", np.zeros((120, 214)))
    with pytest.raises(InputError, match=r"nothing to train on in \S*train_480p/Annotations: "):
        stage_dataset(2, **roots)


@pytest.mark.parametrize("name", ["ecssd", "fss/ant"])
def test_a_folder_of_empty_static_masks_is_refused_by_name(name, tmp_path):
    write_static(tmp_path / "BIG_small", "1")
    for number in range(3):
        write_static(tmp_path / name, str(number))
    refill(tmp_path / name, np.zeros((150, 200)))
    folder = tmp_path / name.split("/")[0]
    with pytest.raises(InputError, match=rf"nothing to train on in {folder}: of its 3 masks 3 were read"):
        stage_dataset(0, static_root=tmp_path)
    write_static(tmp_path / name, "2")
    assert len(stage_dataset(0, static_root=tmp_path)) == 3 + 5


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
