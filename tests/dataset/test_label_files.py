"""Labels keep their numbers in files of any palette, bit depth and mode; void, empty masks, small videos."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dataset.masks.readers import read_label_map, read_labels, read_merged
from dataset.masks.writer import write_mask
from dataset.video_dataset import open_user_video
from tests.conftest import read_png, run_main, write_davis, write_frames, write_labels
from util.errors import InputError
from util.palette import voc_palette

ALL = np.arange(256, dtype=np.uint8).reshape(16, 16)
LABELS = np.zeros((12, 20), np.uint8)
LABELS[2:5, 2:9], LABELS[6:10, 4:8], LABELS[6:10, 11:18] = 1, 2, 3


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


def test_every_script_writes_labels_of_late_masks_with_longer_palettes(tmp_path, preloaded, monkeypatch):
    """A first mask with two colours, and labels 2 and 3 later, with four."""
    davis = tmp_path / "davis/trainval"
    noise = np.random.default_rng(0).integers(0, 256, (3, 12, 20, 3), np.uint8)
    write_davis(davis, "v", noise, [LABELS] * 3)
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

    user = ["--input", davis / "JPEGImages/480p/v", "--masks", annotations, *preloaded]
    run_main(monkeypatch, "scripts.propagate_video", *user, "--output", tmp_path / "user")
    assert np.array_equal(read_png(tmp_path / "user/00002.png"), LABELS)
    for written in ("out/v", "user"):
        assert bytes(Image.open(tmp_path / written / "00002.png").getpalette()[:12]) == colours


WITH_VOID = np.zeros((32, 48), np.uint8)
WITH_VOID[4:12, 4:20], WITH_VOID[16:28, 20:40], WITH_VOID[30:] = 1, 2, 255
OBJECTS = np.where(WITH_VOID == 255, 0, WITH_VOID)


@pytest.fixture
def frames(tmp_path):
    """A folder of three frames, 32 x 48."""
    random = np.random.default_rng(0)
    write_frames(tmp_path / "frames", random.integers(0, 256, (3, 32, 48, 3), np.uint8))
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
    with pytest.raises(InputError, match=r"00001\.png and 1\.png belong to the same frame"):
        open_user_video(frames, masks, short_side=480)


@pytest.mark.parametrize(("height", "width", "count"), [(7, 5, 2), (1, 1, 2), (40, 40, 1)])
def test_small_videos_and_one_pixel_objects(height, width, count, preloaded, monkeypatch, tmp_path):
    random = np.random.default_rng(1)
    write_frames(tmp_path / "f", random.integers(0, 256, (count, height, width, 3), np.uint8))
    labels = np.zeros((height, width), np.uint8)
    labels[height // 2, width // 2] = 7
    write_labels(tmp_path / "m.png", labels)
    sheet = tmp_path / "sheet.jpg"
    flags = ["--input", tmp_path / "f", "--masks", tmp_path / "m.png", "--contact_sheet", sheet, *preloaded]
    run_main(monkeypatch, "scripts.propagate_video", *flags, "--output", tmp_path / "out")
    out = sorted((tmp_path / "out").glob("[!.]*"))
    assert [path.name for path in out] == [f"{index:05}.png" for index in range(count)]
    assert np.array_equal(read_png(out[0]), labels)
    assert all(read_png(path).shape == (height, width) for path in out)
    assert Image.open(sheet).width == 480 * count
