"""Training on own videos and pictures, and the full circle from the annotator to the evaluation."""

import numpy as np
import pytest

from dataset.training.sets import ALL_VIDEOS, stage_dataset
from tests.training.training_trees import write_static, write_video
from util.errors import InputError
from util.hyper_para import parse_training_settings

CROP = 32


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A root of two videos in a project beside which nothing published lies."""
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


def test_own_videos_join_the_published_sets_unless_they_are_to_be_alone(own, caplog):
    youtube = own.parent / "YouTube/train_480p"
    write_video(youtube / "JPEGImages", youtube / "Annotations", "a", frames=4)
    settings = {"videos": [(str(own), 1)], "yv_subset": ALL_VIDEOS, "crop_size": CROP}
    assert [part.videos for part in stage_dataset(2, **settings).parts] == [["a"], ["x", "y"]]
    assert len(warnings(caplog)) == 1  # DAVIS is missing from the published recipe
    assert [part.videos for part in stage_dataset(2, **settings, only_own=True).parts] == [["x", "y"]]
    with pytest.raises(InputError, match="--davis_root holds no DAVIS 2017"):
        stage_dataset(2, **settings, davis_root=own)


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
    (pictures / "inner/2.png").unlink()
    with pytest.raises(InputError, match=r"2\.jpg has no mask"):
        stage_dataset(0, pictures=[(str(pictures), 1)], crop_size=CROP)


def test_flags_of_own_data():
    settings = parse_training_settings(["--stage", "2", "--videos", "a:3", "--videos", "b/c:d", "--only_own"])
    assert settings.videos == [("a", 3), ("b/c:d", 1)]
    for flags, message in (
        ("--stage 1 --videos a", "^--videos is for stage 2, and this is stage 1"),
        ("--stage 2 --pictures a", "^--pictures is for stage 0, and this is stage 2"),
        ("--stage 2 --only_own", "^--only_own needs own data"),
    ):
        with pytest.raises(InputError, match=message):
            parse_training_settings(flags.split())
    with pytest.raises(SystemExit):
        parse_training_settings(["--stage", "2", "--videos", "a:0"])
