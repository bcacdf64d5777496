"""Frames and lists of videos that are damaged, odd or unlucky."""

import io

import numpy as np
import pytest
from PIL import Image

from dataset.davis_test_dataset import davis_2017
from dataset.image_io import list_images, list_images_below, read_image
from dataset.masks.readers import read_colours, read_label_map
from dataset.video_files.frame_source import PictureFiles, open_source
from dataset.video_folders import names_listed
from dataset.yv_test_dataset import youtube_vos
from scripts.resizing.shrinking import Job, read_bgr, run_job
from tests.conftest import write_frames, write_labels
from util.errors import InputError

RANDOM = np.random.default_rng(0)
PICTURE = np.kron(RANDOM.integers(0, 256, (4, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)  # 32 x 48
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
    "empty.png": b"",
    "text.jpg": b"<html>quota exceeded</html>",
    "cut.jpg": encoded(PICTURE, "JPEG")[:-300],
    "cut.png": encoded(PICTURE, "PNG")[:60],
    "cut.webp": encoded(PICTURE, "WEBP")[:50],
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


@pytest.mark.filterwarnings("ignore:.*EXIF|Tag data")
def test_whatever_is_in_a_file_it_is_read_or_named(tmp_path):
    whole = [encoded(PICTURE, "JPEG", exif=turned(6)), encoded(PICTURE, "PNG", exif=turned(6))]
    whole += [encoded(PICTURE, kind) for kind in ("WEBP", "BMP")] + [encoded(GREY, "GIF")]
    path, refused = tmp_path / "x.png", 0
    for number in range(150):
        content = bytearray(whole[number % len(whole)])
        for place in RANDOM.integers(0, min(len(content), 200), 4):  # most of the structure is at the start
            content[place] = RANDOM.integers(256)
        path.write_bytes(content)
        try:
            assert read_image(path, upright=True).shape[2] == 3
        except InputError:
            refused += 1
    assert 0 < refused < 150


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1", "I;16"])
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


@pytest.mark.filterwarnings("ignore:.*EXIF")
def test_damaged_exif_data_says_nothing(tmp_path):
    (tmp_path / "x.jpg").write_bytes(
        encoded(PICTURE, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(9))
    )
    assert open_source(tmp_path).read(0).shape == (32, 48, 3)


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


def test_folders_behind_links_are_searched_once(tmp_path):
    for name in ("data/one/x.png", "data/.hidden/y.png", "elsewhere/deep/z.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(encoded(PICTURE, "PNG"))
    (tmp_path / "data/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/round").symlink_to(tmp_path / "data")
    found = list_images_below(tmp_path / "data")
    assert [str(p.relative_to(tmp_path)) for p in found] == ["data/link/deep/z.png", "data/one/x.png"]


@pytest.fixture
def davis(tmp_path):
    """A video with a space in its name and gaps in its numbers, all behind a link."""
    root = tmp_path / "real/trainval"
    write_frames(root / "JPEGImages/480p/mein Hünd", [PICTURE] * 6)
    for missing in (2, 3):
        (root / f"JPEGImages/480p/mein Hünd/{missing:05}.jpg").unlink()
    write_labels(root / "Annotations/480p/mein Hünd/00000.png", GREY > 128)
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_bytes("\ufeffmein Hünd \r\n\r\n".encode())
    (tmp_path / "link").symlink_to(tmp_path / "real")
    return tmp_path / "link"


def test_gaps_spaces_links_and_marks_in_lists(davis):
    (video,) = davis_2017(davis, "val")
    assert (video.name, list(video.frames.names)) == ("mein Hünd", ["00000", "00001", "00004", "00005"])
    assert [frame.mask is not None for frame in video] == [True, False, False, False]


def test_lists_of_paths_and_lists_that_are_none(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("/JPEGImages/480p/a b/00000.jpg /Annotations/480p/a b/00000.png\n")
    assert names_listed(path) == ["a b"]
    path.write_bytes(b"\xff\xfe\x00dog")
    with pytest.raises(InputError, match=r"list\.txt is no text in UTF-8"):
        names_listed(path)


def test_a_mask_without_its_frame_is_named(tmp_path):
    frames = tmp_path / "all_frames/valid_all_frames/JPEGImages/v"
    write_frames(frames, [PICTURE] * 2)
    for index in (0, 2):
        write_labels(tmp_path / f"valid/Annotations/v/{index:05}.png", GREY > 128)
    with pytest.raises(InputError, match=r"00002\.png has no frame in"):
        youtube_vos(tmp_path, "valid")
    assert len(list_images(frames)) == 2
