"""Frames and lists of videos that are damaged, odd or unlucky."""

import io

import numpy as np
import pytest
from PIL import Image

from dataset.image_io import read_image
from dataset.masks.readers import read_colours, read_label_map
from dataset.video_files.frame_source import PictureFiles, open_source
from scripts.resizing.shrinking import Job, read_bgr, run_job
from util.errors import InputError

PICTURE = np.kron(np.random.default_rng(0).integers(0, 256, (4, 6, 3)), np.ones((8, 8, 1))).astype(
    np.uint8
)  # 32 x 48
GREY = PICTURE[:, :, 0]


def encoded(picture, kind, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


def turned(orientation) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


DAMAGED = {
    "empty.jpg": b"",
    "text.jpg": b"<html>quota exceeded</html>",
    "cut.jpg": encoded(PICTURE, "JPEG")[:-300],
    "cut.png": encoded(PICTURE, "PNG")[:60],
    "bomb.bmp": encoded(PICTURE, "BMP")[:18] + b"\xff\xff\x00\x00\xff\xff\x00\x00" + bytes(40),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_picture_is_named_by_every_reader(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(DAMAGED[name])
    for read in (read_image, read_label_map, read_colours, read_bgr):
        with pytest.raises(InputError, match=rf"{name} cannot be read as a picture|{name} is a (JPEG|RGB)"):
            read(path)
    assert name in run_job(Job(path, tmp_path / "out" / name), 16)
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "I;16"])
def test_pictures_of_every_mode_show_the_same(mode, tmp_path):
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    if mode == "I;16":
        Image.fromarray(GREY.astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(GREY if mode in ("L", "LA") else PICTURE).convert(mode).save(path)
    expected = Image.fromarray(PICTURE).convert("1").convert("RGB") if mode == "1" else PICTURE
    expected = GREY[:, :, None] if mode in ("L", "LA", "I;16") else np.asarray(expected)
    picture = read_image(path)
    assert (picture.shape, picture.dtype) == ((32, 48, 3), np.uint8)
    limit = {"P": 30, "CMYK": 12}.get(mode, 0)  # 256 colours, and JPEG
    assert np.abs(picture.astype(int) - expected).mean() <= limit
    if mode == "CMYK":  # the resizing scripts read JPEGs with OpenCV
        assert np.abs(read_bgr(path)[:, :, ::-1].astype(int) - picture).mean() < 3


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_own_pictures_are_turned_as_viewers_show_them_and_data_sets_are_not(orientation, tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "x.png", exif=turned(orientation))
    quarters = {1: 0, 3: 2, 6: -1}[orientation]  # anticlockwise
    assert np.array_equal(open_source(tmp_path).read(0), np.rot90(PICTURE, quarters))
    assert np.array_equal(PictureFiles([tmp_path / "x.png"]).read(0), PICTURE)


def test_only_pictures_are_frames_and_numbers_sort_by_value(tmp_path):
    names = ["²1.png", "a 2.png", "a 10.png", "b.JPG", "ä.png"]
    for name in names:
        (tmp_path / name).write_bytes(encoded(PICTURE, "PNG"))
    for name in (".hidden.png", "._a 2.png", "Thumbs.db", ".DS_Store", "notes.txt"):
        (tmp_path / name).write_bytes(b"clutter")
    (tmp_path / "folder.png").mkdir()
    assert sorted(open_source(tmp_path).names) == sorted(name.rpartition(".")[0] for name in names)
    in_order = [name for name in open_source(tmp_path).names if name.startswith("a")]
    assert in_order == ["a 2", "a 10"]
    (tmp_path / "a 11.png").symlink_to(tmp_path / "nowhere.png")  # left out silently, the video would be cut
    source = open_source(tmp_path)
    with pytest.raises(InputError, match=r"there is no picture at .*a 11\.png"):
        source.read(list(source.names).index("a 11"))
