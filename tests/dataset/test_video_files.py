"""Video files of every kind: of cameras, phones, recorders and editors, damaged ones, raw streams, HDR."""

import lzma
import os
import re
import struct
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from dataset.video_files import packets
from dataset.video_files.frame_source import open_source
from dataset.video_files.video_file import MissingFrameError, VideoFile
from tests.conftest import read_png, refused, slow, write_labels, written
from tests.dataset.encoded_videos import HEIGHT, WIDTH, copied, encode, frames_of, number_of, packets_of
from tests.small_data import boxes

FINE = {"g": "8", "qmin": "1", "qmax": "1"}
X265 = {
    "codec": "libx265",
    "preset": "ultrafast",
    "x265-params": "log-level=none:keyint=8:bframes=2:b-adapt=0:scenecut=0:qp=1",
}
MPEG2, MPEG1 = ({"codec": codec, "bf": "2", **FINE} for codec in ("mpeg2video", "mpeg1video"))
FILES = {
    "open_gop.mp4": {"x264-params": "scenecut=0:b-adapt=0:open-gop=1"},
    "intra_refresh.mp4": {"x264-params": "scenecut=0:intra-refresh=1", "bf": "0"},
    "one_key_frame.mov": {"g": "1000"},
    "fragments.mp4": {"container": {"movflags": "frag_keyframe+empty_moov"}},
    "b_frames.mkv": {},
    "late.mkv": {"stamps": [5000 + 40 * n for n in range(40)], "base": Fraction(1, 1000)},
    "times_lost.avi": {},  # AVI knows no B-frames
    "mpeg4.avi": {"codec": "mpeg4", "bf": "2", **FINE},
    "motion.avi": {"codec": "mjpeg", "fmt": "yuvj420p", **FINE},
    "no_index.webm": {"codec": "libvpx-vp9", "g": "8", "crf": "4", "b": "0", "container": {"live": "1"}},
    "moving.gif": {"codec": "gif", "fmt": "rgb8"},
    "whole.mkv": {"codec": "ffv1", "fmt": "bgr0"},
    **{f"x.{suffix}": {} for suffix in ("mts", "ts", "flv", "3gp", "3g2", "nut", "asf", "mxf", "h264")},
    **{f"x265.{suffix}": X265 for suffix in ("ts", "mp4", "mkv", "hevc")},
    **{f"mpeg2.{suffix}": MPEG2 for suffix in ("ts", "vob", "mpg", "mxf", "wtv", "m2v", "avi", "mkv")},
    **{f"mpeg1.{suffix}": MPEG1 for suffix in ("mpg", "m1v")},
    "mpeg4.m4v": {"codec": "mpeg4", "bf": "2", **FINE},
    "sorenson.flv": {"codec": "flv", **FINE},
    "windows.wmv": {"codec": "wmv2", **FINE},
    "old.asf": {"codec": "msmpeg4", **FINE},
    "real.rm": {"codec": "rv10", **FINE},
    "motion.mjpeg": {"codec": "mjpeg", "fmt": "yuvj420p", **FINE},
    "plain.y4m": {"codec": "wrapped_avframe"},
    "vp8.ivf": {"codec": "libvpx", "g": "8", "auto-alt-ref": "1", "lag-in-frames": "8", "b": "2M"},
    "vp9.ivf": {"codec": "libvpx-vp9", "g": "8", "crf": "4", "b": "0"},
    "prores.mov": {"codec": "prores_ks", "fmt": "yuv422p10le"},
}

QUICK = "open_gop.mp4", "times_lost.avi", "no_index.webm", "moving.gif", "x.mts", "x.h264", "mpeg2.mpg"


def check_frames(source, expected, tolerance=0.6):
    """Read all frames in several orders, and compare their numbers."""
    assert len(source.names) == len(expected)
    last = len(expected) - 1
    jumps = np.random.default_rng(0).integers(0, last, 10).tolist()
    for index in (*range(len(expected)), *jumps, *range(last, -1, -3)):
        assert abs(number_of(source.read(index)) - expected[index]) < tolerance, index


@pytest.mark.parametrize("name", [*QUICK, *map(slow, sorted(FILES.keys() - {*QUICK}))])
def test_all_frames_of_every_container_are_read_in_order(name, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("dataset.video_files.video_file.HELD_BYTES", 5 * HEIGHT * WIDTH * 3 // 2)
    path = encode(tmp_path / name, **FILES[name])
    source = open_source(path.rename(tmp_path / "clip.dat"))
    check_frames(source, range(40), 12 if name == "moving.gif" else 0.6)
    assert source.fps == pytest.approx(25)
    assert np.allclose(np.diff(source.stamps) * float(source.time_base), 1 / 25, atol=1e-3)
    assert not caplog.text


def test_pictures_equal_those_of_opencv_and_have_their_times(tmp_path):
    path = encode(tmp_path / "x.mp4", stamps=[n * n for n in range(40)], base=Fraction(1, 600))
    source = open_source(path)
    expected = frames_of(path)
    assert all(np.abs(source.read(i).astype(int) - expected[i]).max() <= 1 for i in (0, 39, 7))
    assert np.allclose(np.array(source.stamps) * float(source.time_base), np.arange(40) ** 2 / 600)


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
    [((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)), ((-1, 0, 0, 1), lambda frame: frame[:, ::-1])],
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


@pytest.mark.usefixtures("preloaded")
def test_readable_frames_of_a_damaged_video_are_segmented(damaged, propagate, tmp_path, capsys):
    there = sorted(readable(VideoFile(damaged), range(24)))
    labels = boxes(HEIGHT, WIDTH, {1: np.s_[8:30, 10:40]})
    write_labels(tmp_path / "m.png", labels)
    propagate("--overlay", tmp_path / "overlay.mp4", input=damaged)
    assert written(tmp_path / "out") == [f"{index:05}.png" for index in there]
    assert np.array_equal(read_png(tmp_path / "out/00000.png"), labels)
    assert f"{len(there)} frames in" in capsys.readouterr().out
    packets = packets_of(tmp_path / "overlay.mp4")
    times = sorted(round(packet.pts * packet.time_base * 25) for packet in packets)
    assert times == there  # those behind the damage keep their times
    lost = min(set(range(24)) - set(there))
    for index in (0, lost):
        write_labels(tmp_path / f"masks/{index:05}.png", labels)
    message = refused(propagate, input=damaged, masks=tmp_path / "masks", output=tmp_path / "out2")
    assert re.search(rf"frame {lost} of .*damaged there\. Give its mask .* on another frame", message)


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


def test_a_gap_in_the_times_does_not_change_the_frame_rate(tmp_path):
    stamps = [40 * number + 600_000 * (number >= 10) for number in range(20)]
    encode(tmp_path / "cut.mkv", count=20, stamps=stamps, base=Fraction(1, 1000))
    assert open_source(tmp_path / "cut.mkv").fps == 25


@pytest.mark.parametrize("suffix", ["mp4", slow("mkv"), slow("ts")])
def test_decoding_times_in_place_of_presentation_times(suffix, tmp_path, caplog):
    source = open_source(copied(encode(tmp_path / "x.h264"), tmp_path / f"copy.{suffix}", lambda n: n))
    check_frames(source, range(40))
    assert np.allclose(np.diff(source.stamps) * float(source.time_base), 1 / 25, atol=2e-3)
    assert not caplog.text


@pytest.mark.parametrize("name", ["x.ts", slow("x.h264"), slow("mpeg2.mpg")])
def test_concatenated_recordings_are_read_one_after_the_other(name, tmp_path):
    path = encode(tmp_path / name, count=20, **FILES[name])
    path.write_bytes(path.read_bytes() * 2)
    source = open_source(path)
    check_frames(source, [*range(20), *range(20)])
    assert np.allclose(np.diff(source.stamps) * float(source.time_base), 1 / 25, atol=1e-3)


def test_a_warning_names_an_interlaced_video(tmp_path, caplog):
    path = encode(tmp_path / "x.mts", **{"x264-params": "scenecut=0:b-adapt=0:interlaced=1:tff=1"})
    check_frames(open_source(path), range(40))
    assert f"{path} is interlaced" in caplog.text


@pytest.mark.parametrize("suffix", ["mts", slow("h264"), slow("mp4")])
def test_two_packets_of_fields_are_one_frame(suffix, tmp_path, caplog):
    """Camcorders write such files, and free encoders do not: the stream is stored."""
    path = tmp_path / "x.h264"
    path.write_bytes(lzma.decompress(Path(__file__).with_name("fields.h264.xz").read_bytes()))
    if suffix != "h264":
        path = copied(path, tmp_path / f"copy.{suffix}", lambda number: number / 2)
    assert len(packets_of(path)) == 40
    source = open_source(path)
    check_frames(source, range(20))
    assert source.fps == pytest.approx(25, rel=0.05)
    assert np.allclose(np.diff(source.stamps) * float(source.time_base), 1 / 25, atol=1e-3)
    (message,) = caplog.messages
    assert message.startswith(f"{path} is interlaced")


def pq(light):
    """The PQ code in 0..1 of a brightness in cd/m2 (SMPTE ST 2084)."""
    share = (np.asarray(light) / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * share) / (1 + 2392 / 128 * share)) ** (2523 / 32)


def test_the_white_of_hdr_becomes_white(tmp_path):
    white = 203  # cd/m2, of HDR (ITU-R BT.2408)
    light = np.array([0, 0.18 * white, white, 1000])
    codes = np.rint(pq(np.repeat(light, WIDTH // 4)) * 65535).astype(np.uint16)
    shown = np.broadcast_to(codes[None, :, None], (HEIGHT, WIDTH, 3))
    path = tmp_path / "hdr.mp4"
    with av.open(str(path), "w") as output:
        track = output.add_stream("libx264", 25, options={"qp": "1"})
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, "yuv420p10le"
        context = track.codec_context
        context.colorspace = context.color_primaries = 9  # BT.2020
        context.color_trc, context.color_range = 16, 1
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb48le")
        frame.color_trc, frame.color_primaries = 16, 9
        output.mux(track.encode(frame.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range=1)))
        output.mux(track.encode(None))
    read = open_source(path).read(0)[HEIGHT // 2, WIDTH // 8 :: WIDTH // 4]
    middle = 255 * 0.18 ** (1 / 2.4)  # on a screen of BT.1886
    assert np.abs(read - np.array([0, middle, 255, 255])[:, None]).max() < 3
