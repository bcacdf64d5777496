"""Pictures as frames: damaged files, modes, bit depths, orientation, order."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from dataset.image_io import read_image
from dataset.masks.readers import read_colours, read_label_map
from dataset.video_files.frame_source import PictureFiles, open_source
from scripts.resizing.shrinking import Job, read_bgr, run_job
from tests.dataset.encoded_videos import HEIGHT, WIDTH, picture
from util.errors import InputError

PICTURE = np.kron(np.random.default_rng(0).integers(0, 256, (4, 6, 3)), np.ones((8, 8, 1))).astype(
    np.uint8
)  # 32 x 48
GREY = PICTURE[:, :, 0]


def encoded(kind) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, kind)
    return file.getvalue()


DAMAGED = {
    "empty.jpg": b"",
    "text.jpg": b"<html>quota exceeded</html>",
    "cut.jpg": encoded("JPEG")[:-300],
    "cut.png": encoded("PNG")[:60],
    "bomb.bmp": encoded("BMP")[:18] + b"\xff\xff\x00\x00\xff\xff\x00\x00" + bytes(40),
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
        Image.fromarray(GREY if mode == "L" else PICTURE).convert(mode).save(path)
    expected = Image.fromarray(PICTURE).convert("1").convert("RGB") if mode == "1" else PICTURE
    expected = GREY[:, :, None] if mode in ("L", "I;16") else np.asarray(expected)
    shown = read_image(path)
    assert (shown.shape, shown.dtype) == ((32, 48, 3), np.uint8)
    limit = {"P": 30, "CMYK": 12}.get(mode, 0)  # 256 colours, and JPEG
    assert np.abs(shown.astype(int) - expected).mean() <= limit


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_own_pictures_are_rotated_by_their_exif_tag_and_those_of_data_sets_are_not(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PICTURE).save(tmp_path / "x.png", exif=exif)
    quarters = {1: 0, 3: 2, 6: -1}[orientation]  # anticlockwise
    assert np.array_equal(open_source(tmp_path).read(0), np.rot90(PICTURE, quarters))
    assert np.array_equal(PictureFiles([tmp_path / "x.png"]).read(0), PICTURE)


def test_only_pictures_are_frames_and_numbers_sort_by_value(tmp_path):
    names = ["²1.png", "a 2.png", "a 10.png", "b.JPG", "ä.png"]
    for name in names:
        (tmp_path / name).write_bytes(encoded("PNG"))
    for name in (".hidden.png", "._a 2.png", "Thumbs.db", ".DS_Store", "notes.txt"):
        (tmp_path / name).write_bytes(b"clutter")
    (tmp_path / "folder.png").mkdir()
    assert sorted(open_source(tmp_path).names) == sorted(name.rpartition(".")[0] for name in names)
    in_order = [name for name in open_source(tmp_path).names if name.startswith("a")]
    assert in_order == ["a 2", "a 10"]
    (tmp_path / "a 11.png").symlink_to(tmp_path / "nowhere.png")
    source = open_source(tmp_path)
    with pytest.raises(InputError, match=r"there is no picture at .*a 11\.png"):
        source.read(list(source.names).index("a 11"))


def test_a_picture_of_several_frames_is_read_as_its_first_with_a_warning(tmp_path, caplog):
    frames = [Image.fromarray(picture(number)) for number in (1, 20, 30)]
    frames[0].save(tmp_path / "0.png")
    for name in ("1.png", "2.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
    source = open_source(tmp_path)
    assert source.names == ["0", "1", "2"]
    assert all(np.abs(source.read(index).astype(int) - picture(1)).max() <= 1 for index in range(3))
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path / '1.png'} holds several frames (2 such pictures): only the first")


@pytest.mark.parametrize(
    ("colours", "suffix", "bits"), [(False, "png", 12), (True, "tif", 12), (True, "png", 16)]
)
def test_pictures_of_12_and_16_bits_keep_their_brightness(colours, suffix, bits, tmp_path, caplog):
    for index, number in enumerate((0, 1, 40)):
        levels = picture(number).astype(np.uint16) * (257 if bits == 16 else 16)
        cv2.imwrite(str(tmp_path / f"{index}.{suffix}"), levels[:, :, ::-1] if colours else levels[:, :, 0])
    source = open_source(tmp_path)
    for index, number in enumerate((0, 1, 40)):  # one scale for all frames
        expected = picture(number) if colours else picture(number)[:, :, :1]
        assert np.array_equal(source.read(index), np.broadcast_to(expected, (HEIGHT, WIDTH, 3)))
    assert len(caplog.messages) == (bits == 12)
    assert ("they are read as pictures of 12 bits" in caplog.text) == (bits == 12)
