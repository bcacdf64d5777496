"""Masks as people make them, and videos of unlucky sizes, through the command line."""

import numpy as np
import pytest
import torch
from PIL import Image

from dataset.davis_test_dataset import davis_2016, davis_2017
from dataset.masks.readers import read_label_map, read_merged
from dataset.video_dataset import open_user_video
from model import InferenceCore
from tests.conftest import read_png, run_main, write_frames, write_labels
from util.errors import InputError

LABELS = np.zeros((32, 48), np.uint8)
LABELS[4:12, 4:20], LABELS[16:28, 20:40], LABELS[30:] = 1, 2, 255
OBJECTS = np.where(LABELS == 255, 0, LABELS)


@pytest.fixture
def frames(tmp_path):
    """A folder of three frames, 32 x 48."""
    random = np.random.default_rng(0)
    write_frames(tmp_path / "frames", random.integers(0, 256, (3, 32, 48, 3), np.uint8))
    return tmp_path / "frames"


@pytest.fixture
def propagate(tmp_path, network, weights_file, monkeypatch, capsys):
    """Run the script's main in this process, with a network that is loaded already."""
    monkeypatch.setattr("scripts.propagate_video.load_network", lambda *_: network)

    def run(*flags):
        more = ["--output", tmp_path / "out", "--model", weights_file]
        run_main(monkeypatch, "scripts.propagate_video", *flags, *more)
        return sorted((tmp_path / "out").glob("[!.]*"))

    return run


def first_mask(frames, mask):
    return open_user_video(frames, mask, short_side=480).forward.read(0).mask.numpy()


def test_255_is_void_in_paletted_masks_unless_it_is_alone(frames, tmp_path):
    write_labels(tmp_path / "p.png", LABELS)
    write_labels(tmp_path / "grey.png", LABELS, paletted=False)
    write_labels(tmp_path / "alone.png", np.where(LABELS == 255, 255, 0))
    assert np.array_equal(first_mask(frames, tmp_path / "p.png"), OBJECTS)
    assert np.array_equal(first_mask(frames, tmp_path / "grey.png"), LABELS)
    assert np.array_equal(first_mask(frames, tmp_path / "alone.png"), np.where(LABELS == 255, 255, 0))
    assert not read_label_map(tmp_path / "alone.png").any()  # as ground truth: no object is left
    assert np.array_equal(read_merged(tmp_path / "p.png") > 0, LABELS > 0)


def test_void_is_no_object_of_davis_2017_but_white_is_the_object_of_davis_2016(frames, tmp_path):
    for root in (tmp_path / "2016", tmp_path / "2017/trainval"):
        (root / "JPEGImages/480p").mkdir(parents=True)
        frames.rename(root / "JPEGImages/480p/v") if "2016" in root.name else (
            root / "JPEGImages/480p/v"
        ).symlink_to(tmp_path / "2016/JPEGImages/480p/v")
    write_labels(tmp_path / "2017/trainval/Annotations/480p/v/00000.png", LABELS)
    write_labels(tmp_path / "2016/Annotations/480p/v/00000.png", np.where(LABELS > 0, 255, 0))
    (tmp_path / "2017/trainval/ImageSets/2017").mkdir(parents=True)
    (tmp_path / "2017/trainval/ImageSets/2017/val.txt").write_text("v")
    assert np.array_equal(davis_2017(tmp_path / "2017", "val")[0].read(0).mask, OBJECTS)
    assert np.array_equal(davis_2016(tmp_path / "2016")[0].read(0).mask > 0, LABELS > 0)


def test_transparent_pixels_are_background(frames, tmp_path):
    painted = np.full((32, 48, 4), 255, np.uint8)  # white is hidden where nothing was painted
    painted[..., 3] = 0
    painted[LABELS == 1], painted[LABELS == 2] = (200, 0, 0, 255), (0, 200, 0, 255)
    Image.fromarray(painted).save(tmp_path / "rgba.png")
    found = first_mask(frames, tmp_path / "rgba.png")
    assert np.array_equal(found, np.array([0, 2, 1])[OBJECTS])  # green comes before red by value
    Image.fromarray(np.dstack((LABELS + 3, np.where(OBJECTS, 255, 0))).astype(np.uint8)).save(
        tmp_path / "la.png"
    )
    assert np.array_equal(first_mask(frames, tmp_path / "la.png"), np.where(OBJECTS, OBJECTS + 3, 0))


def test_masks_that_are_none_are_refused(frames, tmp_path):
    grey, masks = Image.fromarray(OBJECTS), tmp_path / "m"
    masks.mkdir()
    grey.save(masks / "lossy.jpg")
    Image.fromarray(OBJECTS.astype(np.uint16) * 300).save(masks / "deep.png")
    Image.fromarray(OBJECTS * 0).save(masks / "black.png")
    for name, message in {
        "lossy.jpg": r"lossy\.jpg is a JPEG, whose compression changes labels",
        "deep.png": r"deep\.png has the label 600: labels go from 1 to 255",
        "black.png": r"no mask of .*black\.png shows an object",
    }.items():
        with pytest.raises(InputError, match=message):
            open_user_video(frames, masks / name, short_side=480)
    grey.convert("RGB").save(masks / "rgb.png")
    with pytest.raises(InputError, match=r"rgb\.png is a RGB picture: save it with a palette or in grey"):
        read_label_map(masks / "rgb.png")
    Image.fromarray(OBJECTS.astype(np.uint16)).save(masks / "deep.png")
    assert np.array_equal(read_label_map(masks / "deep.png"), OBJECTS)


def test_masks_of_one_frame_and_empty_ones(frames, tmp_path):
    masks = tmp_path / "masks"
    write_labels(masks / "00000.png", OBJECTS * 0)
    write_labels(masks / "00001.png", OBJECTS)
    video = open_user_video(frames, masks, short_side=480).forward
    assert list(video.frames.names) == ["00001", "00002"]  # from the first object on
    assert np.array_equal(video.read(0).mask, OBJECTS)
    write_labels(masks / "1.png", OBJECTS)
    with pytest.raises(InputError, match=r"00001\.png and 1\.png belong to the same frame"):
        open_user_video(frames, masks, short_side=480)


@pytest.mark.parametrize(
    ("height", "width", "count"), [(16, 16, 2), (7, 5, 2), (1, 1, 2), (3, 70, 2), (40, 40, 1)]
)
def test_small_videos_and_one_pixel_objects(height, width, count, propagate, tmp_path):
    random = np.random.default_rng(1)
    write_frames(tmp_path / "f", random.integers(0, 256, (count, height, width, 3), np.uint8))
    labels = np.zeros((height, width), np.uint8)
    labels[height // 2, width // 2] = 7
    write_labels(tmp_path / "m.png", labels)
    sheet = tmp_path / "sheet.jpg"
    out = propagate("--input", tmp_path / "f", "--masks", tmp_path / "m.png", "--contact_sheet", sheet)
    assert [path.name for path in out] == [f"{index:05}.png" for index in range(count)]
    assert np.array_equal(read_png(out[0]), labels)
    assert all(read_png(path).shape == (height, width) for path in out)
    assert Image.open(sheet).width == 480 * count


def test_an_object_leaves_and_comes_back(network):
    """Its memory stays while it is out of sight, and a mask may bring it back under its own label."""
    frame, engine = torch.randn(3, 32, 32), InferenceCore(network)
    labels = torch.zeros(32, 32, dtype=torch.int64)
    labels[:16, :16], labels[20:, 20:] = 4, 9
    engine.step(frame, labels)
    gone = torch.zeros(1, 32, 32)
    prob = engine.step(frame, gone, labels=[4])
    assert (engine.label_map(prob) != 4).all()
    engine.step(torch.randn(3, 32, 32))
    prob = engine.step(frame, torch.where(labels == 4, 4, 0))
    assert engine.labels == [4, 9]
    assert torch.equal(engine.label_map(prob) == 4, labels == 4)


def test_255_objects(network):
    labels = torch.arange(256).reshape(16, 16)
    engine = InferenceCore(network, top_k=20)
    first = engine.label_map(engine.step(torch.randn(3, 16, 16), labels))
    assert torch.equal(first, labels.byte())
    prob = engine.step(torch.randn(3, 16, 16))
    assert prob.shape == (256, 16, 16)
    assert prob.isfinite().all()


def assert_whole(folder, expected):
    """Of the masks before an error some may be missing, but none is half-written."""
    names = {path.name for path in folder.glob("[!.]*")}
    assert names <= expected
    assert all(read_png(folder / name).shape == (32, 48) for name in names)


def test_frames_that_change_size_are_named_and_masks_before_stay(frames, propagate, tmp_path):
    Image.new("RGB", (40, 30)).save(frames / "00002.jpg")
    write_labels(tmp_path / "m.png", OBJECTS)
    with pytest.raises(InputError, match=r"^frames, 00002: a frame is 40 x 30, those before it 48 x 32"):
        propagate("--input", frames, "--masks", tmp_path / "m.png")
    assert_whole(tmp_path / "out", {"00000.png", "00001.png"})


def test_damage_in_the_middle_leaves_whole_masks_alone(frames, propagate, tmp_path):
    (frames / "00001.jpg").write_bytes(b"text")
    write_labels(tmp_path / "m.png", OBJECTS)
    with pytest.raises(InputError, match=r"00001\.jpg cannot be read as a picture"):
        propagate("--input", frames, "--masks", tmp_path / "m.png")
    assert_whole(tmp_path / "out", {"00000.png"})


@pytest.mark.slow
def test_4k_frames_are_reduced_for_the_network_alone(propagate, tmp_path):
    random = np.random.default_rng(2)
    write_frames(tmp_path / "f", random.integers(0, 256, (2, 2160, 3840, 3), np.uint8))
    labels = np.zeros((2160, 3840), np.uint8)
    labels[500:1500, 1000:2000] = 1
    write_labels(tmp_path / "m.png", labels)
    out = propagate("--input", tmp_path / "f", "--masks", tmp_path / "m.png", "--size", 96)
    assert [read_png(path).shape for path in out] == [(2160, 3840)] * 2
    assert (read_png(out[0]) == labels).mean() > 0.99
