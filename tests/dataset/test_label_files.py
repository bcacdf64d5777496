"""Labels keep their numbers in files of any palette, bit depth and mode; void, empty masks, small videos."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dataset.masks.readers import read_label_map, read_labels, read_merged
from dataset.masks.writer import write_mask
from dataset.video_dataset import open_user_video
from tests.conftest import read_png, refused, run_main, write_davis, write_frames, write_labels, written
from tests.small_data import boxes, noise
from util.palette import voc_palette

ALL = np.arange(256, dtype=np.uint8).reshape(16, 16)
LABELS = boxes(12, 20, {1: np.s_[2:5, 2:9], 2: np.s_[6:10, 4:8], 3: np.s_[6:10, 11:18]})


def write_png(path, numbers, depth, colour, palette=b"", transparent=b""):
    """Write a PNG of any bit depth, chunk by chunk; colour 0 is grey, 3 a palette."""
    rows = [np.packbits(((row[:, None] >> np.arange(depth)[::-1]) & 1).astype(np.uint8)) for row in numbers]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *numbers.shape[::-1], depth, colour, 0, 0, 0))]
    chunks += [(b"PLTE", palette)] if palette else []
    chunks += [(b"tRNS", transparent)] if transparent else []
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))), (b"IEND", b"")]
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("entries", [None, 2, 300])
def test_any_palette_writes_all_labels(entries, tmp_path):
    palette = voc_palette() if entries is None else (voc_palette() * 2)[: 3 * entries]
    write_mask(tmp_path / "m.png", ALL, palette)
    written = Image.open(tmp_path / "m.png")
    assert np.array_equal(read_png(tmp_path / "m.png"), ALL)
    assert (written.mode, len(written.getpalette())) == ("P", 768)
    assert written.getpalette()[: 3 * (entries or 256)] == palette[:768]
    write_mask(tmp_path / "grey.png", ALL, None)
    assert np.array_equal(read_png(tmp_path / "grey.png"), ALL)


DEPTHS = [*((0, depth) for depth in (1, 2, 4, 8, 16)), *((3, depth) for depth in (1, 2, 4, 8))]


@pytest.mark.parametrize(("colour", "depth"), DEPTHS)
def test_bit_depths(colour, depth, tmp_path):
    labels = np.minimum(LABELS, min(255, 2**depth - 1))
    palette = bytes(voc_palette()[: 3 * 2**depth]) if colour == 3 else b""
    write_png(tmp_path / "m.png", labels, depth, colour, palette)
    expected = labels * 255 if (depth, colour) == (1, 0) else labels  # one bit is black and white
    assert np.array_equal(read_labels(tmp_path / "m.png"), expected)
    assert np.array_equal(read_label_map(tmp_path / "m.png", lone_void=True), expected)


@pytest.mark.parametrize("suffix", ["bmp", "gif", "tif"])
def test_lossless_formats(suffix, tmp_path):
    write_labels(tmp_path / f"m.{suffix}", LABELS, paletted=suffix != "bmp")
    assert np.array_equal(read_labels(tmp_path / f"m.{suffix}"), LABELS)


def test_scripts_write_labels_of_late_masks_with_longer_palettes(tmp_path, preloaded, propagate, monkeypatch):
    """A first mask with two colours, and labels 2 and 3 later, with four."""
    davis = tmp_path / "davis/trainval"
    write_davis(davis, "v", noise(3, 12, 20), [LABELS] * 3)
    annotations = davis / "Annotations/480p/v"
    colours = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    write_png(annotations / "00000.png", np.where(LABELS == 1, 1, 0), 1, 3, colours[:6])
    for index in range(1, 3):
        write_png(annotations / f"{index:05}.png", LABELS, 2, 3, colours)
    flags = ["--davis", tmp_path / "davis", "--late_objects"]
    run_main(monkeypatch, "scripts.score_static_masks", *flags, "--output", tmp_path / "static")
    assert np.array_equal(read_png(tmp_path / "static/v/00002.png"), LABELS)
    assert (tmp_path / "static/results.csv").read_text().splitlines()[1] == "mean,,100.0,100.0,100.0"

    run_main(monkeypatch, "eval_davis", *flags, *preloaded, "--output", tmp_path / "out")
    late = read_png(tmp_path / "out/v/00001.png")
    assert all(np.array_equal(late == label, label == LABELS) for label in (2, 3))

    propagate(input=davis / "JPEGImages/480p/v", masks=annotations, output=tmp_path / "user")
    assert np.array_equal(read_png(tmp_path / "user/00002.png"), LABELS)
    for folder in ("out/v", "user"):
        assert bytes(Image.open(tmp_path / folder / "00002.png").getpalette()[:12]) == colours


WITH_VOID = boxes(32, 48, {1: np.s_[4:12, 4:20], 2: np.s_[16:28, 20:40], 255: np.s_[30:]})
OBJECTS = np.where(WITH_VOID == 255, 0, WITH_VOID)


@pytest.fixture
def frames(tmp_path):
    """A folder of three frames, 32 x 48."""
    write_frames(tmp_path / "frames", noise(3, 32, 48))
    return tmp_path / "frames"


def first_mask(frames, mask):
    return open_user_video(frames, mask, short_side=480).forward.read(0).mask.numpy()


def test_255_is_void_in_paletted_masks_unless_it_is_alone(frames, tmp_path):
    write_labels(tmp_path / "p.png", WITH_VOID)
    write_labels(tmp_path / "grey.png", WITH_VOID, paletted=False)
    write_labels(tmp_path / "alone.png", np.where(WITH_VOID == 255, 255, 0))
    assert np.array_equal(first_mask(frames, tmp_path / "p.png"), OBJECTS)
    assert np.array_equal(first_mask(frames, tmp_path / "grey.png"), WITH_VOID)
    assert np.array_equal(first_mask(frames, tmp_path / "alone.png"), np.where(WITH_VOID == 255, 255, 0))
    assert not read_label_map(tmp_path / "alone.png").any()  # as ground truth: no object is left
    assert np.array_equal(read_merged(tmp_path / "p.png") > 0, WITH_VOID > 0)


def test_masks_of_one_frame_and_empty_ones(frames, tmp_path):
    masks = tmp_path / "masks"
    write_labels(masks / "00000.png", OBJECTS * 0)
    write_labels(masks / "00001.png", OBJECTS)
    video = open_user_video(frames, masks, short_side=480).forward
    assert list(video.frames.names) == ["00001", "00002"]  # from the first object on
    assert np.array_equal(video.read(0).mask, OBJECTS)
    write_labels(masks / "1.png", OBJECTS)
    message = refused(open_user_video, frames, masks, short_side=480)
    assert "00001.png and 1.png belong to the same frame" in message


@pytest.mark.parametrize(("height", "width", "count"), [(7, 5, 2), (1, 1, 2), (40, 40, 1)])
@pytest.mark.usefixtures("preloaded")
def test_small_videos_and_one_pixel_objects(height, width, count, propagate, tmp_path):
    write_frames(tmp_path / "frames", noise(count, height, width))
    labels = boxes(height, width, {7: (height // 2, width // 2)})
    write_labels(tmp_path / "m.png", labels)
    propagate("--contact_sheet", tmp_path / "sheet.jpg")
    masks = [read_png(tmp_path / f"out/{name}") for name in written(tmp_path / "out")]
    assert [mask.shape for mask in masks] == [(height, width)] * count
    assert np.array_equal(masks[0], labels)
    assert Image.open(tmp_path / "sheet.jpg").width == 480 * count
