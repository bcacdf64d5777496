"""Video files as cameras, phones and editors make them, and damaged ones."""

import os
import struct
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest

from dataset.video_files import packets
from dataset.video_files.frame_source import open_source
from dataset.video_files.video_file import MissingFrameError, VideoFile
from tests.conftest import read_png, run_main, slow, write_labels
from tests.dataset.encoded_videos import (
    HEIGHT,
    WIDTH,
    copied,
    encode,
    frames_of,
    number_of,
    packets_of,
    picture,
)
from util.errors import InputError

SCRIPT = "scripts.propagate_video"
FILES = {
    "b_frames.mp4": {},
    "open_gop.mp4": {"x264-params": "scenecut=0:b-adapt=0:open-gop=1"},
    "intra_refresh.mp4": {"x264-params": "scenecut=0:intra-refresh=1", "bf": "0"},
    "one_key_frame.mov": {"g": "1000"},
    "fragments.mp4": {"container": {"movflags": "frag_keyframe+empty_moov"}},
    "b_frames.mkv": {},
    "late.mkv": {"stamps": [5000 + 40 * n for n in range(40)], "base": Fraction(1, 1000)},
    "times_lost.avi": {},  # AVI knows no B-frames
    "mpeg4.avi": {"codec": "mpeg4", "bf": "2", "g": "8", "qmin": "1", "qmax": "1"},
    "motion.avi": {"codec": "mjpeg", "fmt": "yuvj420p", "qmin": "1", "qmax": "1"},
    "no_index.webm": {"codec": "libvpx-vp9", "g": "8", "crf": "4", "b": "0", "container": {"live": "1"}},
    "vp8.webm": {"codec": "libvpx", "g": "8", "auto-alt-ref": "1", "lag-in-frames": "8", "b": "2M"},
    "moving.gif": {"codec": "gif", "fmt": "rgb8"},
    "whole.mkv": {"codec": "ffv1", "fmt": "bgr0"},
    "variable.mp4": {"stamps": [n * n for n in range(40)], "base": Fraction(1, 600)},
}


QUICK = "b_frames.mp4", "open_gop.mp4", "times_lost.avi", "no_index.webm", "moving.gif", "variable.mp4"


@pytest.mark.parametrize("name", [*QUICK, *map(slow, sorted(FILES.keys() - {*QUICK}))])
def test_frames_equal_those_of_opencv_in_any_order(name, tmp_path, caplog, monkeypatch):
    path = encode(tmp_path / name, **FILES[name])
    monkeypatch.setattr("dataset.video_files.video_file.HELD_BYTES", 5 * HEIGHT * WIDTH * 3 // 2)
    expected = frames_of(path)
    source = open_source(path)
    assert len(source.names) == len(expected) == 40
    jumps = np.random.default_rng(0).integers(0, 40, 20).tolist()
    for index in (*range(40), *range(39, 0, -3), *jumps):
        assert np.abs(source.read(index).astype(int) - expected[index]).max() <= 1, index
        assert abs(number_of(source.read(index)) - index) < (12 if path.suffix == ".gif" else 0.5)
    assert np.array_equal(open_source(path).read(25), source.read(25))
    assert (np.diff(source.stamps) > 0).all()
    assert not caplog.text


def test_frames_before_the_edit_list_are_hidden(tmp_path, caplog):
    whole = encode(tmp_path / "whole.mp4", bf="0")
    source = VideoFile(copied(whole, tmp_path / "cut.mp4", lambda number: number - 5))
    assert [round(number_of(source.read(index))) for index in (0, 1, 34, 0)] == [5, 6, 39, 5]
    assert (len(source.names), source.stamps[0]) == (35, 0)
    assert not caplog.text


def test_reading_a_frame_decodes_only_from_its_key_frame(tmp_path, monkeypatch):
    decoded = []
    numbered = packets._numbered
    monkeypatch.setattr(packets, "_numbered", lambda frame: decoded.append(1) or numbered(frame))
    source = VideoFile(encode(tmp_path / "long.mp4", count=50, g="10"))
    late = os.cpu_count() + 4  # frames that decoder threads and B-frames hold back
    for index in (45, 3, 27, 28, 15):
        decoded.clear()
        assert abs(number_of(source.read(index)) - index) < 0.5
        assert len(decoded) <= 10 + late


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),
        ((-1, 0, 0, 1), lambda frame: frame[:, ::-1]),
    ],
)
def test_videos_are_rotated_and_mirrored_as_their_matrix_says(matrix, turn, tmp_path):
    path = encode(tmp_path / "x.mp4", count=3)
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # of the matrix: 9 numbers in fixed point
    a, b, c, d = (number * 65536 for number in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(content)
    expected = turn(VideoFile(path).read(1))
    assert np.array_equal(VideoFile(turned).read(1), expected)
    if matrix != (-1, 0, 0, 1):  # which OpenCV does not know
        assert np.array_equal(frames_of(turned)[1], expected)


@pytest.mark.parametrize("fmt", ["yuv420p10le", "yuv444p", "yuvj420p"])
def test_bit_depths_and_formats(fmt, tmp_path):
    source = VideoFile(encode(tmp_path / "x.mp4", count=3, fmt=fmt))
    read = source.read(2)
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - picture(2)).max() <= 4


@pytest.fixture
def damaged(tmp_path):
    """Three parts of 8 frames; the start of the second part is overwritten."""
    path = encode(tmp_path / "damaged.mp4", count=24, bf="0")
    content = bytearray(path.read_bytes())
    for packet in packets_of(path)[8:10]:
        content[packet.pos : packet.pos + packet.size] = b"\x5a" * packet.size
    path.write_bytes(content)
    return path


def readable(source, order):
    found = {}
    for index in order:
        with suppress(MissingFrameError):
            found[index] = source.read(index)
    return found


def test_frames_after_damage_are_read_and_a_warning_counts_them(damaged, caplog, capfd):
    there = readable(VideoFile(damaged), range(24))
    assert {*range(8), *range(16, 24)} <= set(there)
    assert all(abs(number_of(there[index]) - index) < 0.5 for index in (*range(8), *range(16, 24)))
    assert len(caplog.messages) == 1
    assert f"{damaged} is damaged: {len(there)} of its 24 frames can be read" in caplog.messages[0]
    assert capfd.readouterr() == ("", "")  # the decoder keeps silent
    other = readable(VideoFile(damaged), (23, 9, 12, 3, *range(23, -1, -1)))
    assert set(other) == set(there)
    assert all(np.array_equal(other[index], there[index]) for index in there)


def test_readable_frames_of_a_damaged_video_are_segmented(damaged, preloaded, tmp_path, monkeypatch, capsys):
    there = sorted(readable(VideoFile(damaged), range(24)))
    labels = np.zeros((HEIGHT, WIDTH))
    labels[8:30, 10:40] = 1
    write_labels(tmp_path / "m.png", labels)
    flags = ["--input", damaged, "--masks", tmp_path / "m.png", "--output", tmp_path / "out", *preloaded]
    run_main(monkeypatch, SCRIPT, *flags, "--overlay", tmp_path / "film.mp4")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [f"{i:05}.png" for i in there]
    assert np.array_equal(read_png(tmp_path / "out/00000.png"), labels)
    assert f"{len(there)} frames in" in capsys.readouterr().out
    times = sorted(round(packet.pts * packet.time_base * 25) for packet in packets_of(tmp_path / "film.mp4"))
    assert times == there  # those behind the damage keep their times
    (tmp_path / "masks").mkdir()
    (tmp_path / "m.png").rename(tmp_path / "masks/00000.png")
    lost = min(set(range(24)) - set(there))
    write_labels(tmp_path / f"masks/{lost:05}.png", labels)
    flags[3] = tmp_path / "masks"
    with pytest.raises(
        InputError, match=rf"frame {lost} of .*damaged there\. Give its mask .* on another frame"
    ):
        run_main(monkeypatch, SCRIPT, *flags[:5], tmp_path / "out2", *flags[6:])


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.avi"])
def test_a_warning_counts_the_frames_of_a_cut_file(name, tmp_path, caplog):
    options = {"container": {"movflags": "+faststart"}} if name == "cut.mp4" else {}
    path = encode(tmp_path / name, bf="0", codec="mpeg4" if name == "cut.avi" else "libx264", **options)
    packets = packets_of(path)
    path.write_bytes(path.read_bytes()[: packets[20].pos + packets[20].size // 2])
    source = VideoFile(path)
    assert len(source.names) in (20, 21)  # Matroska gives no part of a packet, AVI does not tell
    assert number_of(source.read(19)) == pytest.approx(19, abs=0.5)
    assert f"is cut off: {len(source.names)} of its 40 frames can be read" in caplog.text
