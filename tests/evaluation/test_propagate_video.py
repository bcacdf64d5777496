import re

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from dataset.image_io import normalise, read_image
from dataset.masks.readers import read_label_map
from dataset.video_dataset import open_user_video
from dataset.video_files.frame_source import open_source
from dataset.video_files.video_file import VideoFile
from model import InferenceCore
from tests.conftest import (
    ROOT,
    SHARED_DATA,
    needs_shared_data,
    read_png,
    run_main,
    run_script,
    write_frames,
    write_labels,
)
from util.errors import InputError

FPS = 12.5
SCRIPT = "scripts.propagate_video"


def write_video(path, frames, codec):
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), FPS, (width, height))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()


@pytest.fixture
def mp4(tmp_path, clip):
    write_video(tmp_path / "clip.mp4", clip["frames"], "mp4v")
    return tmp_path / "clip.mp4"


@pytest.fixture
def folder(tmp_path, clip):
    """Pictures of several formats whose names sort naturally, not alphabetically."""
    folder = tmp_path / "my frames"
    folder.mkdir()
    for index, suffix in enumerate(
        ("png", "bmp", "webp", "png", "jpg", "png", "png", "png", "png", "png", "png")
    ):
        Image.fromarray(clip["frames"][index, :48, :80]).save(folder / f"shot {index + 1}.{suffix}")
    return folder


@pytest.fixture
def masks(clip):
    """Label maps of the folder's frames: two objects."""
    return clip["labels"][1, :48, :80]


@pytest.fixture
def flags(weights_file):
    return ["--model", weights_file, "--device", "cpu"]


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (got := capture.read())[0]:
        frames.append(cv2.cvtColor(got[1], cv2.COLOR_BGR2RGB))
    return frames, capture.get(cv2.CAP_PROP_FPS)


@pytest.mark.slow
def test_of_a_long_video_fifty_frames_are_remembered_unless_the_bound_is_lifted(
    clip, tmp_path, flags, monkeypatch
):
    write_labels(tmp_path / "m.png", clip["labels"][1, :32, :48])
    write_frames(tmp_path / "frames", [clip["frames"][i % 12, :32, i % 20 : i % 20 + 48] for i in range(56)])
    given = ["--input", tmp_path / "frames", "--masks", tmp_path / "m.png", "--mem_every", 1, *flags]
    last = {}
    for name, bound in (
        ("default", []),
        ("50", ["--max_memory_frames", 50]),
        ("0", ["--max_memory_frames", 0]),
    ):
        out, probs = tmp_path / f"out {name}", tmp_path / f"probs {name}"
        run_main(monkeypatch, SCRIPT, *given, "--output", out, "--save_probs", probs, *bound)
        with np.load(probs / "00055.npz") as saved:
            last[name] = saved["prob"]
    assert np.array_equal(last["default"], last["50"])
    assert not np.array_equal(last["default"], last["0"])


def test_a_video_file_as_a_user_runs_it(mp4, clip, tmp_path, flags):
    write_labels(tmp_path / "m.png", clip["labels"][1])
    out, film = tmp_path / "out", tmp_path / "over.mp4"
    command = ["--input", mp4, "--masks", tmp_path / "m.png", "--output", out, "--overlay", film]
    done = run_script("-m", SCRIPT, *command, "--save_probs", tmp_path / "probs", *flags)
    assert sorted(p.name for p in out.glob("[!.]*")) == [f"{i:05}.png" for i in range(12)]
    assert np.array_equal(read_png(out / "00000.png"), clip["labels"][1])
    frames, fps = frames_of(film)
    assert (len(frames), frames[0].shape, fps) == (12, (88, 136, 3), FPS)
    plain = frames_of(mp4)[0][0].astype(int)
    painted = np.abs(frames[0].astype(int) - plain).sum(axis=2)
    inside = clip["labels"][1] > 0
    assert painted[inside].mean() > 5 * painted[~inside].mean()  # the film shows the masks
    with np.load(tmp_path / "probs/00003.npz") as saved:
        assert saved["prob"].shape == (3, 88, 136)
        assert saved["prob"].dtype == np.float16
        assert np.abs(saved["prob"].astype(float).sum(axis=0) - 1).max() < 2e-3
        assert saved["labels"].tolist() == [0, 1, 2]
        labels = saved["labels"][saved["prob"].argmax(axis=0)]
    assert (labels == read_png(out / "00003.png")).mean() > 0.999
    assert re.search(r"12 frames in [\d.]+ s of processing", done.stdout)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("avi", "MJPG"), ("mov", "mp4v"), ("webm", "VP80"), ("mp4", "mp4v")]
)
def test_video_files_are_read_in_any_order(suffix, codec, tmp_path, clip, monkeypatch):
    path = tmp_path / f"clip.{suffix}"
    write_video(path, clip["frames"], codec)
    expected, _ = frames_of(path)
    source = VideoFile(path)
    assert len(source.names) == len(expected) == 12
    monkeypatch.setattr("dataset.video_files.video_file.HELD_BYTES", 2 * expected[0].nbytes)  # four of 4:2:0
    for index in (0, 1, 5, *range(11, -1, -1), 3):
        assert np.array_equal(source.read(index), expected[index]), index
        assert len(source._held) <= 4


def test_gif(tmp_path, clip):
    first, *others = [Image.fromarray(frame) for frame in clip["frames"]]
    first.save(tmp_path / "clip.gif", save_all=True, append_images=others, duration=100)
    source = open_source(tmp_path / "clip.gif")
    assert len(source.names) == 12
    assert np.abs(source.read(3).astype(int) - clip["frames"][3]).mean() < 12


def test_a_folder_with_late_objects_a_correction_and_rgb_masks(
    folder, masks, tmp_path, flags, network, monkeypatch
):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 255]], np.uint8)
    given = {
        1: np.where(masks == 1, 1, 0),
        4: np.where(masks == 2, 2, 0),
        6: np.where(np.roll(masks, 9, 1) == 1, 1, 0),
    }
    (tmp_path / "masks").mkdir()
    for index, labels in given.items():
        Image.fromarray(colours[labels]).save(tmp_path / f"masks/shot {index + 1}.png")
    out = tmp_path / "out"
    command = ["--input", folder, "--masks", tmp_path / "masks", "--output", out, "--backward", *flags]
    run_main(monkeypatch, SCRIPT, *command)

    names = [f"shot {i + 1}.png" for i in range(11)]
    assert sorted(p.name for p in out.glob("[!.]*")) == sorted(names)
    palette = Image.open(out / names[1]).getpalette()
    assert palette[:9] == colours.flatten().tolist()  # results have the colours of the masks
    engine = InferenceCore(network)
    for index in range(1, 11):
        frame = normalise(read_image(next(folder.glob(f"shot {index + 1}.*"))))
        mask = torch.from_numpy(given[index]) if index in given else None
        labels = engine.label_map(engine.step(frame, mask)).numpy()
        written = read_png(out / names[index])
        if index < 4:  # object 2 comes back from frame 4, where nothing else is
            written = np.where(written == 2, 0, written)
        assert (labels == written).mean() > 0.999, index
    assert np.array_equal(read_png(out / names[6]) == 1, given[6] == 1)  # corrected
    backward = InferenceCore(network)
    for index in range(4, -1, -1):
        frame = normalise(read_image(next(folder.glob(f"shot {index + 1}.*"))))
        mask = torch.from_numpy(given[index]) if index in (4, 1) else None
        labels = backward.label_map(backward.step(frame, mask)).numpy()
    assert (labels == read_png(out / names[0])).mean() > 0.999


def test_size_is_for_the_network_and_the_output_keeps_the_original(folder, masks, tmp_path):
    write_labels(tmp_path / "m.png", masks)
    video = open_user_video(folder, tmp_path / "m.png", short_side=24).forward
    frame = video.read(0)
    assert frame.image.shape == (3, 24, 40)
    assert frame.mask.shape == (24, 40)
    assert frame.size == (48, 80)
    assert open_user_video(folder, tmp_path / "m.png", short_side=480).forward.read(0).image.shape == (
        3,
        48,
        80,
    )


def test_start_end_every_choose_frames(mp4, clip, tmp_path, flags, monkeypatch):
    write_labels(tmp_path / "3.png", clip["labels"][0])
    chosen = ["--start", 1, "--end", 8, "--every", 2, "--contact_sheet", tmp_path / "sheet.jpg"]
    command = ["--input", mp4, "--masks", tmp_path / "3.png", "--output", tmp_path / "out", *flags]
    run_main(monkeypatch, SCRIPT, *command, *chosen, "--overlay", tmp_path / "o.mp4")
    assert sorted(p.name for p in (tmp_path / "out").glob("[!.]*")) == ["00003.png", "00005.png", "00007.png"]
    frames, fps = frames_of(tmp_path / "o.mp4")
    assert (len(frames), fps) == (4, FPS / 2)  # frame 1 comes before the mask and stays plain
    assert Image.open(tmp_path / "sheet.jpg").size == (4 * 480, round(88 * 480 / 136))


def test_masks_of_any_mode_are_the_same_labels(folder, masks, tmp_path):
    Image.fromarray(masks).save(tmp_path / "grey.png")
    write_labels(tmp_path / "paletted.png", masks)
    assert np.array_equal(read_label_map(tmp_path / "grey.png"), masks)
    assert np.array_equal(read_label_map(tmp_path / "paletted.png"), masks)
    Image.open(tmp_path / "paletted.png").convert("RGBA").save(tmp_path / "colours.png")
    video = open_user_video(folder, tmp_path / "colours.png", short_side=480).forward
    found = video.read(0).mask.numpy()
    assert np.array_equal(found, np.array([0, 2, 1])[masks])  # green comes before red by value
    assert video.palette[3:9] == [0, 128, 0, 128, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "nowhere.mp4"}, "there is no video file and no folder"),
        ({"path": "README.md"}, "README.md cannot be read as a video"),
        ({"masks": "nowhere.png"}, "there is no mask"),
        ({"start": 90}, "leaves none of the 11 frames"),
    ],
)
def test_bad_input_is_refused(change, message, folder, masks, tmp_path):
    write_labels(tmp_path / "m.png", masks)
    arguments = {"path": folder, "masks": tmp_path / "m.png", "short_side": 480, **change}
    arguments["path"] = ROOT / arguments["path"]
    arguments["masks"] = ROOT / arguments["masks"]
    with pytest.raises(InputError, match=message):
        open_user_video(**arguments)


def test_bad_masks_are_refused(folder, masks, tmp_path):
    write_labels(tmp_path / "masks/shot 99.png", masks)
    with pytest.raises(InputError, match=r"shot 99.png in .* is not named after a chosen frame"):
        open_user_video(folder, tmp_path / "masks", short_side=480)
    photo = np.random.default_rng(0).integers(0, 256, (48, 80, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    with pytest.raises(InputError, match="above 255"):
        open_user_video(folder, tmp_path / "photo.png", short_side=480)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(InputError, match="cannot be read as a video"):
        open_source(tmp_path / "text.mp4")


@needs_shared_data
def test_real_video_file_opens_whole():
    source = open_source(SHARED_DATA / "video/example.mp4")
    assert (len(source.names), source.fps, source.read(116).shape) == (117, 25.0, (480, 640, 3))
