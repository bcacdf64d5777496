"""Pictures of several frames and of 16 bits among the frames of a folder."""

import cv2
import numpy as np
import pytest
from PIL import Image

from dataset.video_files.frame_source import open_source
from tests.dataset.encoded_videos import HEIGHT, WIDTH, picture
from util.errors import InputError


def test_pictures_of_several_frames_are_one_frame_each_and_that_is_said(tmp_path, caplog):
    frames = [Image.fromarray(picture(number)) for number in (1, 20, 30)]
    frames[0].save(tmp_path / "0.png")
    for name in ("1.png", "2.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
    source = open_source(tmp_path)
    assert source.names == ["0", "1", "2"]
    assert all(np.abs(source.read(index).astype(int) - picture(1)).max() <= 1 for index in range(3))
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path / '1.png'} holds several frames (2 such pictures): only the first")


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("colours", [False, True])
def test_pictures_that_use_few_of_their_16_bits_are_not_nearly_black(colours, suffix, tmp_path, caplog):
    for index, number in enumerate((0, 1, 40)):
        levels = picture(number).astype(np.uint16) << 4  # of 12 bits
        cv2.imwrite(str(tmp_path / f"{index}.{suffix}"), levels[:, :, ::-1] if colours else levels[:, :, 0])
    source = open_source(tmp_path)
    for index, number in enumerate((0, 1, 40)):  # one scale for all: none flickers
        expected = picture(number) if colours else picture(number)[:, :, :1]
        assert np.array_equal(source.read(index), np.broadcast_to(expected, (HEIGHT, WIDTH, 3)))
    assert len(caplog.messages) == 1
    assert "they are read as pictures of 12 bits" in caplog.text


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_pictures_that_use_all_16_bits_are_read_as_before(suffix, tmp_path, caplog):
    for index, number in enumerate((0, 45)):
        cv2.imwrite(str(tmp_path / f"{index}.{suffix}"), picture(number)[:, :, ::-1].astype(np.uint16) * 257)
    source = open_source(tmp_path)
    assert np.array_equal(source.read(0), picture(0))
    assert np.array_equal(source.read(1), picture(45))
    assert not caplog.text


def test_tiff_pictures_are_frames_and_openexr_is_refused(tmp_path):
    Image.fromarray(picture(2)).save(tmp_path / "0.tif", compression="tiff_lzw")
    assert np.array_equal(open_source(tmp_path).read(0), picture(2))
    (tmp_path / "linear").mkdir()
    (tmp_path / "linear/0.exr").touch()
    with pytest.raises(InputError, match=r"holds OpenEXR pictures, .*: convert them to PNG or TIFF"):
        open_source(tmp_path / "linear")
