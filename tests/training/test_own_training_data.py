"""Training on own videos and pictures, and the full circle from the annotator to the evaluation."""

import numpy as np
import pytest

from dataset.training.sets import ALL_VIDEOS, stage_dataset
from scripts.annotator.export import export
from tests.annotator.parts import FRAMES, add, disc, session, write_frames
from tests.conftest import read_png, run_main, runs
from tests.training.training_trees import write_static, write_video
from util.errors import InputError
from util.hyper_para import training_settings

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
    settings = training_settings(["--stage", "2", "--videos", "a:3", "--videos", "b/c:d", "--only_own"])
    assert settings.videos == [("a", 3), ("b/c:d", 1)]
    for flags, message in (
        ("--stage 1 --videos a", "^--videos is for stage 2, and this is stage 1"),
        ("--stage 2 --pictures a", "^--pictures is for stage 0, and this is stage 2"),
        ("--stage 2 --only_own", "^--only_own needs own data"),
    ):
        with pytest.raises(InputError, match=message):
            training_settings(flags.split())
    with pytest.raises(SystemExit):
        training_settings(["--stage", "2", "--videos", "a:0"])


def test_own_data_that_is_not_there_is_named(own):
    with pytest.raises(InputError, match=r"^--videos \S*none has no folder \S*none/JPEGImages: it needs"):
        stage_dataset(2, videos=[(str(own / "none"), 1)])
    with pytest.raises(InputError, match=r"^there is no folder \S*none: give --pictures one"):
        stage_dataset(0, pictures=[(str(own / "none"), 1)])
    with pytest.raises(InputError, match=r"^--pictures \S*own holds no picture"):
        stage_dataset(0, pictures=[(str(own), 1)])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """What the annotator writes of a video with a disc and, on its last frames, a corner."""
    folder = tmp_path_factory.mktemp("annotated")
    masks = {index: disc(index).astype(np.uint8) for index in range(FRAMES)}
    for index in range(FRAMES - 3, FRAMES):
        masks[index][80:, :30] = 2
    with session(write_frames(folder / "clip"), folder / "w") as opened:
        add(opened, "ball", "corner")
        about = {str(i): {"labels": np.unique(m)[1:].tolist(), "drawn": []} for i, m in masks.items()}
        opened.write_masks({"kind": "masks", "frames": about, "objects": []}, masks)
        return {kind: export(kind, opened, folder, lambda *_: None) for kind in ("youtube", "davis")}, masks


def test_the_full_circle_from_the_annotator_to_training_and_evaluation(
    exported, tmp_path, weights_file, monkeypatch
):
    roots, masks = exported
    flags = ["--stage", 2, *(part for kind in roots for part in ("--videos", roots[kind]))]
    flags += ["--crop_size", CROP, "-b", 1, "-i", 2, "--num_workers", 0, "--device", "cpu", "--id", "own"]
    runs().run(tmp_path, "train", *flags, "--load_network", weights_file).check_returncode()
    (trained,) = tmp_path.glob("saves/*/*_own_2.pth")

    data = ["--images", roots["youtube"] / "JPEGImages", "--masks", roots["youtube"] / "Annotations"]
    more = ["--model", trained, "--output", tmp_path / "out", "--device", "cpu"]
    run_main(monkeypatch, "scripts.eval_videos", *data, "--late_objects", "--size", 48, "--score", *more)
    rows = [line.split(",")[:2] for line in (tmp_path / "out/results.csv").read_text().splitlines()]
    assert rows[2:] == [["clip", "1"], ["clip", "2"]]
    first = read_png(tmp_path / "out/clip/00000.png")
    assert (first == masks[0]).mean() > 0.97  # given, and seen at half its size
