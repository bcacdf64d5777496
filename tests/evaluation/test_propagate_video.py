"""propagate_video on a video file and on a folder of pictures."""

import re

import numpy as np
import pytest
from PIL import Image

from dataset.video_dataset import open_user_video
from dataset.video_files.video_file import VideoFile
from tests.conftest import ROOT, read_png, refused, run_script, write_labels, write_video, written
from tests.dataset.encoded_videos import frames_of

FPS = 12.5
COUNT = 8  # frames of the video file
PART = np.s_[:48, :80]  # of the golden clip, shows both objects


@pytest.fixture
def mp4(tmp_path, clip):
    write_video(tmp_path / "clip.mp4", [frame[PART] for frame in clip["frames"][:COUNT]], "mp4v")
    return tmp_path / "clip.mp4"


@pytest.fixture
def folder(tmp_path, clip):
    """Pictures of several formats whose names sort naturally, not alphabetically."""
    folder = tmp_path / "my frames"
    folder.mkdir()
    for index, suffix in enumerate(["png", "bmp", "webp", "png", "jpg", *["png"] * 6]):
        Image.fromarray(clip["frames"][index][PART]).save(folder / f"shot {index + 1}.{suffix}")
    return folder


@pytest.fixture
def masks(clip):
    """A label map of two objects."""
    return clip["labels"][1][PART]


def test_a_video_file_as_a_user_runs_it(mp4, masks, tmp_path, weights_file):
    write_labels(tmp_path / "m.png", masks)
    out, overlay = tmp_path / "out", tmp_path / "over.mp4"
    command = ["--input", mp4, "--masks", tmp_path / "m.png", "--output", out, "--overlay", overlay]
    command += ["--save_probs", tmp_path / "probs", "--model", weights_file, "--device", "cpu"]
    command += ["--precision", "float32"]
    done = run_script("-m", "scripts.propagate_video", *command)
    assert written(out) == [f"{i:05}.png" for i in range(COUNT)]
    assert np.array_equal(read_png(out / "00000.png"), masks)
    frames = frames_of(overlay)
    assert (len(frames), frames[0].shape, VideoFile(overlay).fps) == (COUNT, (48, 80, 3), FPS)
    plain = frames_of(mp4)[0].astype(int)
    painted = np.abs(frames[0].astype(int) - plain).sum(axis=2)
    inside = masks > 0
    assert painted[inside].mean() > 5 * painted[~inside].mean()  # the overlay video shows the masks
    with np.load(tmp_path / "probs/00003.npz") as saved:
        assert saved["prob"].shape == (3, 48, 80)
        assert saved["prob"].dtype == np.float16
        assert np.abs(saved["prob"].astype(float).sum(axis=0) - 1).max() < 2e-3
        assert saved["labels"].tolist() == [0, 1, 2]
        labels = saved["labels"][saved["prob"].argmax(axis=0)]
    assert (labels == read_png(out / "00003.png")).mean() > 0.999
    assert re.search(rf"{COUNT} frames in [\d.]+ s of processing", done.stdout)


@pytest.mark.usefixtures("preloaded")
def test_a_folder_with_late_objects_a_correction_and_rgb_masks(folder, masks, tmp_path, propagate):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 255]], np.uint8)
    given = {
        1: np.where(masks == 1, 1, 0),
        4: np.where(masks == 2, 2, 0),
        6: np.where(np.roll(masks, 9, 1) == 1, 1, 0),
    }
    (tmp_path / "masks").mkdir()
    for index, labels in given.items():
        Image.fromarray(colours[labels]).save(tmp_path / f"masks/shot {index + 1}.png")
    propagate(input=folder, masks=tmp_path / "masks")
    out, names = tmp_path / "out", [f"shot {i + 1}.png" for i in range(1, 11)]
    assert written(out) == sorted(names)
    palette = Image.open(out / names[0]).getpalette()
    assert palette[:9] == colours.flatten().tolist()  # results have the colours of the masks
    for index, label in ((1, 1), (4, 2), (6, 1)):
        assert np.array_equal(read_png(out / f"shot {index + 1}.png") == label, given[index] == label)


@pytest.mark.usefixtures("preloaded")
def test_start_end_every_choose_frames(mp4, masks, tmp_path, propagate):
    write_labels(tmp_path / "3.png", masks)
    chosen = ["--start", 1, "--end", 8, "--every", 2, "--contact_sheet", tmp_path / "sheet.jpg"]
    propagate(*chosen, "--overlay", tmp_path / "o.mp4", input=mp4, masks=tmp_path / "3.png")
    assert written(tmp_path / "out") == ["00003.png", "00005.png", "00007.png"]
    assert len(frames_of(tmp_path / "o.mp4")) == 4  # frame 1 comes before the mask and stays plain
    assert VideoFile(tmp_path / "o.mp4").fps == FPS / 2
    assert Image.open(tmp_path / "sheet.jpg").size == (4 * 480, 288)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "nowhere.mp4"}, "there is no video file and no folder"),
        ({"path": "README.md"}, "README.md cannot be read as a video"),
        ({"masks": "nowhere.png"}, "there is no mask"),
        ({"masks": "scripts/pictures"}, r"annotator.jpg is not named after a frame"),
        ({"start": 90}, "leaves none of the 11 frames"),
    ],
)
def test_bad_input_is_refused(change, message, folder, masks, tmp_path):
    write_labels(tmp_path / "m.png", masks)
    given = {"path": folder, "masks": tmp_path / "m.png"} | change
    paths = {name: ROOT / given.pop(name) for name in ("path", "masks")}
    assert re.search(message, refused(open_user_video, **paths, short_side=480, **given))
