"""Labels keep their numbers between array and disk, whatever palette, bit depth or mode a file has."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dataset.masks.readers import read_label_map, read_labels
from dataset.masks.writer import write_mask
from tests.conftest import read_png, run_main, write_frames
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


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("colour", [0, 3])
def test_bit_depths(depth, colour, tmp_path):
    if colour == 3 and depth == 16:
        pytest.skip("there is no such PNG")
    labels = np.minimum(LABELS, min(255, 2**depth - 1))
    palette = bytes(voc_palette()[: 3 * min(256, 2**depth)]) if colour == 3 else b""
    write_png(tmp_path / "m.png", labels, depth, colour, palette)
    expected = labels * 255 if (depth, colour) == (1, 0) else labels  # one bit is black and white
    assert np.array_equal(read_labels(tmp_path / "m.png"), expected)
    assert np.array_equal(read_label_map(tmp_path / "m.png", lone_void=True), expected)


@pytest.mark.parametrize("suffix", ["bmp", "gif", "tif"])
@pytest.mark.parametrize("paletted", [True, False])
def test_lossless_formats(suffix, paletted, tmp_path):
    image = Image.fromarray(LABELS)
    if paletted:
        image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.save(tmp_path / f"m.{suffix}")
    assert np.array_equal(read_labels(tmp_path / f"m.{suffix}"), LABELS)


def test_every_script_writes_labels_of_late_masks_with_longer_palettes(tmp_path, preloaded, monkeypatch):
    """A first mask with two colours, and labels 2 and 3 later, with four."""
    davis = tmp_path / "davis/trainval"
    noise = np.random.default_rng(0).integers(0, 256, (4, 12, 20, 3), np.uint8)
    write_frames(davis / "JPEGImages/480p/v", noise)
    annotations = davis / "Annotations/480p/v"
    annotations.mkdir(parents=True)
    colours = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    write_png(annotations / "00000.png", np.minimum(LABELS, LABELS == 1), 1, 3, colours[:6])
    for index in range(1, 4):
        write_png(annotations / f"{index:05}.png", LABELS, 2, 3, colours)
    (davis / "ImageSets/2017").mkdir(parents=True)
    (davis / "ImageSets/2017/val.txt").write_text("v\n")
    flags = ["--davis", tmp_path / "davis", "--late_objects"]
    run_main(monkeypatch, "scripts.score_static_masks", *flags, "--output", tmp_path / "static")
    assert np.array_equal(read_png(tmp_path / "static/v/00002.png"), LABELS)
    assert (tmp_path / "static/results.csv").read_text().splitlines()[1] == "mean,,100.0,100.0,100.0"

    shown = ["--overlay", "--contact_sheet"]
    run_main(monkeypatch, "eval_davis", *flags, *preloaded, *shown, "--output", tmp_path / "out")
    late = read_png(tmp_path / "out/v/00001.png")
    assert all(np.array_equal(late == label, label == LABELS) for label in (2, 3))

    assert bytes(Image.open(tmp_path / "out/v/00003.png").getpalette()[:12]) == colours

    user = ["--input", davis / "JPEGImages/480p/v", "--masks", annotations, *preloaded]
    films = ["--overlay", tmp_path / "o.mp4", "--contact_sheet", tmp_path / "o.jpg"]
    run_main(monkeypatch, "scripts.propagate_video", *user, *films, "--output", tmp_path / "user")
    assert np.array_equal(read_png(tmp_path / "user/00003.png"), LABELS)
    palette = Image.open(tmp_path / "user/00003.png").getpalette()
    assert bytes(palette[:12]) == colours  # those of the first mask, then of the longer one
