"""Training data without objects, too little data, and files of another form than training data has."""

import numpy as np
import pytest
from PIL import Image

from dataset.training.sets import ALL_VIDEOS, stage_dataset
from tests import forked_runs
from tests.conftest import write_labels
from tests.training.training_trees import coloured, write_jpeg, write_static, write_video
from util.errors import InputError

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
