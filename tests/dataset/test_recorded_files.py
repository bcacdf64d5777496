"""Video files of camcorders and recorders: any container and suffix, raw streams, wrong times, HDR."""

import lzma
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from dataset.video_files.frame_source import open_source
from tests.conftest import slow
from tests.dataset.encoded_videos import HEIGHT, WIDTH, copied, encode, number_of, packets_of

FINE = {"g": "8", "qmin": "1", "qmax": "1"}
X265 = {
    "codec": "libx265",
    "preset": "ultrafast",
    "x265-params": "log-level=none:keyint=8:bframes=2:b-adapt=0:scenecut=0:qp=1",
}
MPEG2, MPEG1 = ({"codec": codec, "bf": "2", **FINE} for codec in ("mpeg2video", "mpeg1video"))
FILES = {
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


def check_frames(source, expected):
    """Read all frames in several orders, and compare their numbers."""
    assert len(source.names) == len(expected)
    last = len(expected) - 1
    for index in (*range(len(expected)), last // 2, 3, last, *range(last, -1, -5), 1):
        assert abs(number_of(source.read(index)) - expected[index]) < 0.6, index


QUICK = "x.mts", "x.h264", "x265.mkv", "mpeg2.mpg", "plain.y4m", "vp9.ivf"


@pytest.mark.parametrize("name", [*QUICK, *map(slow, sorted(FILES.keys() - {*QUICK}))])
def test_all_frames_of_every_container_are_read_in_order(name, tmp_path, caplog):
    path = encode(tmp_path / name, **FILES[name])
    source = open_source(path.rename(tmp_path / "clip.dat"))
    check_frames(source, range(40))
    assert source.fps == pytest.approx(25)
    assert np.allclose(np.diff(source.stamps) * float(source.time_base), 1 / 25, atol=1e-3)
    assert not caplog.text


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
    with av.open(str(path), "w") as film:
        track = film.add_stream("libx264", 25, options={"qp": "1"})
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, "yuv420p10le"
        context = track.codec_context
        context.colorspace = context.color_primaries = 9  # BT.2020
        context.color_trc, context.color_range = 16, 1
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb48le")
        frame.color_trc, frame.color_primaries = 16, 9
        film.mux(track.encode(frame.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range=1)))
        film.mux(track.encode(None))
    read = open_source(path).read(0)[HEIGHT // 2, WIDTH // 8 :: WIDTH // 4]
    middle = 255 * 0.18 ** (1 / 2.4)  # on a screen of BT.1886
    assert np.abs(read - np.array([0, middle, 255, 255])[:, None]).max() < 3
