"""The meaning of masks: background, transparency, soft edges, and the kinds of files."""

import re

import cv2
import numpy as np
import pytest
from PIL import Image

from dataset.masks.readers import read_label_map, read_merged
from dataset.video_dataset import open_user_video
from tests.conftest import refused, write_frames
from tests.small_data import boxes, noise
from util.palette import voc_palette

H, W = 48, 64
LABELS = boxes(H, W, {1: np.s_[5:20, 5:25], 2: np.s_[28:44, 30:55]})
ONE = (LABELS == 1).astype(np.uint8)
RED, GREEN, BLACK, WHITE, BLUE = (255, 0, 0), (0, 160, 0), (0, 0, 0), (255, 255, 255), (0, 0, 255)


@pytest.fixture
def frames(tmp_path):
    write_frames(tmp_path / "frames", noise(6, H, W))
    return tmp_path / "frames"


@pytest.fixture
def given(frames):
    """Read one mask or a folder of masks; return the labels by frame."""

    def read(masks):
        video = open_user_video(frames, masks, short_side=480).forward
        assert next(iter(video.frames.names)) == "00000"
        return {index: video.read(index).mask.numpy() for index in video.masks}

    return read


def paletted(numbers, *colours):
    image = Image.fromarray(numbers.astype(np.uint8))
    image.putpalette([channel for colour in colours for channel in colour])
    return image


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


BACKGROUNDS = {  # numbers of the file, its palette, what is transparent, and where its object is
    "red is 0, black is 1": (1 - ONE, (RED, BLACK), None),
    "black is 1 and nothing is 0": (np.where(ONE, 2, 1), (RED, BLACK, GREEN), None),
    "1 is transparent": (1 - ONE, (RED, GREEN), 1),
    "0 is transparent black": (ONE, (BLACK, GREEN), b"\x00\xff"),
    "0 is white": (ONE, (WHITE, GREEN), None),
}


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_the_background_of_a_palette(kind, given, tmp_path):
    numbers, colours, transparent = BACKGROUNDS[kind]
    options = {} if transparent is None else {"transparency": transparent}
    path = save(paletted(numbers, *colours), tmp_path / "m.png", **options)
    assert np.array_equal(given(path)[0], ONE)
    assert np.array_equal(read_merged(path) > 0, ONE > 0)


def test_benchmarks_refuse_an_object_of_entry_0(tmp_path):
    path = save(paletted(1 - ONE, RED, GREEN), tmp_path / "m.png", transparency=1)
    assert "shows an object by entry 0 of its palette" in refused(read_label_map, path)


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
def test_transparency_of_every_mode(mode, given, tmp_path):
    colours = Image.fromarray(np.array([BLUE, GREEN, RED], np.uint8)[LABELS])  # blue is hidden
    base = Image.fromarray(np.where(LABELS, LABELS, 7).astype(np.uint8)) if mode[0] == "L" else colours
    options = {"L": {"transparency": 7}, "RGB": {"transparency": BLUE}}.get(mode, {})
    if not options:
        base.putalpha(Image.fromarray(np.where(LABELS > 0, 90, 0).astype(np.uint8)))
    path = save(base, tmp_path / "m.png", **options)
    assert np.array_equal(given(path)[0], LABELS)


# files of one object, as numbers or in colour
WAYS = {
    "bit": Image.fromarray(ONE > 0),
    "grey 255": Image.fromarray(ONE * np.uint8(255)),
    "grey 1": Image.fromarray(ONE),
    "16 bits": Image.fromarray(ONE * np.uint16(65535)),
    "RGB white": Image.fromarray(np.repeat(ONE[..., None] * np.uint8(255), 3, 2)),
    "RGB dark": Image.fromarray(np.array([BLACK, (128, 0, 0)], np.uint8)[ONE]),
    "white palette": paletted(ONE, BLACK, WHITE),
    "standard palette": paletted(ONE, *np.reshape(voc_palette(), (-1, 3)).tolist()),
}
SAME = [
    ("bit", "grey 255", "16 bits", "RGB white", "white palette"),
    ("grey 1", "standard palette"),
    ("RGB dark", "standard palette"),
]
APART = [("bit", "grey 1"), ("grey 255", "white palette"), ("RGB white", "standard palette")]


@pytest.mark.parametrize("ways", SAME + APART)
def test_masks_of_several_kinds(ways, given, tmp_path):
    for index, way in enumerate(ways):
        save(WAYS[way], tmp_path / f"masks/{index:05}.png")
    maps = given(tmp_path / "masks").values()
    assert all(np.array_equal(labels > 0, ONE > 0) for labels in maps)
    assert len({labels.max() for labels in maps}) == (1 if ways in SAME else 2)


def test_a_warning_names_a_mask_without_background(given, tmp_path, caplog):
    path = save(Image.fromarray(np.array([WHITE, RED, BLUE], np.uint8)[LABELS]), tmp_path / "m.png")
    assert len(np.unique(given(path)[0])) == 3
    assert f"mask {path} shows no background (masks without background: 1)" in caplog.text


@pytest.mark.parametrize("kind", ["grey", "palette", "RGB"])
def test_soft_edges_are_refused(kind, given, tmp_path):
    soft = cv2.GaussianBlur(ONE.astype(np.float32), (5, 5), 0)
    image = {
        "grey": lambda: Image.fromarray((soft * 228).round().astype(np.uint8)),
        "palette": lambda: paletted((soft * 15).round(), *((17 * i, 0, 0) for i in range(16))),
        "RGB": lambda: Image.fromarray((soft[..., None] * RED).round().astype(np.uint8)),
    }[kind]()
    message = r"m\.png has soft edges, .*: (#\w{6}|\d+) \(\d+ px\), .* nowhere fill 3 x 3 pixels; draw with"
    assert re.search(message, refused(given, save(image, tmp_path / "m.png")))


def test_a_photo_is_refused(given, tmp_path):
    path = save(Image.fromarray(noise(1, H, W)[0]), tmp_path / "m.png")
    assert "m.png there are more than 255 colours" in refused(given, path)


def test_small_objects_stay_objects(given, tmp_path):
    """Objects of a few pixels: three, and four beside as many large ones."""
    labels = np.zeros((H, W), np.uint8)
    labels[2:4, 2:4], labels[2, 8:20], labels[8, 2], labels[12, 2] = 1, 2, 3, 0
    assert np.array_equal(given(save(Image.fromarray(labels), tmp_path / "m.png"))[0], labels)
    labels[12, 2] = 4
    for label in range(5, 9):
        labels[30:40, 10 * label - 45 : 10 * label - 38] = label
    assert np.array_equal(given(save(Image.fromarray(labels), tmp_path / "m.png"))[0], labels)


LOSSY = [("JPEG", "jpg", {}), ("WEBP", "webp", {"quality": 80}), ("TIFF", "tif", {"compression": "jpeg"})]


@pytest.mark.parametrize(("format_", "suffix", "options"), LOSSY)
def test_lossy_formats_are_refused(format_, suffix, options, given, tmp_path):
    path = save(WAYS["RGB white"], tmp_path / f"masks/00000.{suffix}", format=format_, **options)
    assert "whose compression may change labels: save masks as PNG" in refused(given, path.parent)


@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_a_file_of_several_pictures_is_refused(suffix, given, tmp_path):
    others = [Image.fromarray(np.roll(LABELS, i, 1) * np.uint8(90)) for i in range(3)]
    path = save(others[0], tmp_path / f"m.{suffix}", save_all=True, append_images=others[1:])
    assert "holds 3 pictures, and a mask is one" in refused(given, path)
