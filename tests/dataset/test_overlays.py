"""Overlay videos: times, pixel aspect, sound."""

from fractions import Fraction

import av
import numpy as np
import pytest

from dataset.video_files.frame_source import Selection
from dataset.video_files.mp4_file import write_mp4
from dataset.video_files.video_file import VideoFile
from tests.conftest import refused, slow, write_labels
from tests.dataset.encoded_videos import HEIGHT, WIDTH, encode, frames_of, number_of, packets_of, picture


def test_an_overlay_video_keeps_the_pixel_aspect(tmp_path):
    source = VideoFile(encode(tmp_path / "dv.mp4", count=1, aspect=Fraction(16, 11)))
    assert source.pixel_aspect == Fraction(16, 11)
    write_mp4(tmp_path / "overlay.mp4", source, [(0, source.read(0))])
    assert VideoFile(tmp_path / "overlay.mp4").pixel_aspect == Fraction(16, 11)


RATES = {  # stamps and time base
    "phone": ([0, 375, 751, 1127, 1503, 1878, 2254, 2630, 3006, 3381], Fraction(1, 90000)),  # 239.6 a second
    "variable": ([0, 1, 5, 6, 30, 31, 32, 64, 65, 66], Fraction(1, 30)),
    "late": ([900 + 40 * n for n in range(10)], Fraction(1, 1000)),
}


@pytest.mark.parametrize("name", RATES)
def test_an_overlay_video_has_the_times_of_its_source_and_a_common_format(name, tmp_path):
    stamps, base = RATES[name]
    path = tmp_path / ("x.mkv" if name == "late" else "x.mp4")
    source = VideoFile(encode(path, count=10, stamps=stamps, base=base))
    expected = [float((stamp - stamps[0]) * base) for stamp in stamps]
    assert np.allclose(
        (np.array(source.stamps) - source.stamps[0]) * float(source.time_base), expected, atol=1e-4
    )
    overlay = tmp_path / "overlay.mp4"
    write_mp4(overlay, source, ((index, source.read(index)) for index in range(10)))
    packets = packets_of(overlay)
    times = sorted(float(packet.pts * packet.time_base) for packet in packets)
    assert np.allclose(times, expected, atol=1e-4)
    with av.open(str(overlay)) as read:
        stream = read.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        last = expected[-1] - expected[-2]
        assert abs(float(stream.duration * stream.time_base) - (expected[-1] + last)) < 1e-3
    content = overlay.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    numbers = [number_of(frame) for frame in frames_of(overlay)]
    assert abs(numbers[0]) < 1
    assert np.allclose(np.diff(numbers), 1, atol=0.2)


def add_sound(path, codec, container, pictures=None, rate=25):
    """Write a video, of 2 s by default, with 2 s of sound: a tone that begins after one."""
    pictures = [picture(number) for number in range(50)] if pictures is None else pictures
    with av.open(str(path), "w", format=container) as output:
        track, sound = output.add_stream("libx264", rate), output.add_stream(codec, 48000)
        (track.height, track.width), track.pix_fmt = pictures[0].shape[:2], "yuv420p"
        sound.codec_context.layout = "stereo"
        for each in pictures:
            output.mux(track.encode(av.VideoFrame.from_ndarray(each, format="rgb24")))
        output.mux(track.encode(None))
        tone = np.sin(np.arange(96000) * 2 * np.pi * 440 / 48000) * 0.5 * (np.arange(96000) >= 48000)
        for start in range(0, 96000, 960):
            piece = np.repeat(tone[None, start : start + 960], 2, axis=0).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    return path


def loudness(path):
    """When the tone begins and all sound ends, in seconds."""
    with av.open(str(path)) as video:
        level, end = [], 0.0
        assert video.streams.audio[0].codec_context.name == "aac"
        for frame in video.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(float)).reshape(-1)
            level.append((frame.time, samples.max()))
            end = frame.time + frame.samples / frame.sample_rate
        return next(time for time, loud in level if loud > 0.2), end


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "aac"),
        ("avi", "libmp3lame"),
        *(slow(*each) for each in (("mov", "pcm_s16le"), ("matroska", "libopus"), ("mpegts", "ac3"))),
    ],
)
def test_the_sound_of_the_selected_frames_keeps_its_time(container, codec, tmp_path):
    path = add_sound(tmp_path / "x", codec, container)
    source = VideoFile(path)
    for first, last in ((0, 50), (10, 40)):
        chosen = Selection(source, range(first, last))
        overlay = tmp_path / "overlay.mp4"
        write_mp4(overlay, chosen, ((i, chosen.read(i)) for i in range(last - first)), sound=path)
        begin, end = loudness(overlay)
        assert abs(begin - (1 - first / 25)) < 0.06
        assert abs(end - (last - first) / 25) < 0.06


def test_sound_without_a_video_or_of_a_silent_one_is_refused(tmp_path, propagate):
    path = encode(tmp_path / "silent.mp4", count=3)
    write_labels(tmp_path / "m.png", np.eye(HEIGHT, WIDTH))
    assert "--sound needs a video" in refused(propagate, "--sound", input=path)
    overlay = ["--overlay", tmp_path / "overlay.mp4"]
    assert "silent.mp4 has no sound: leave --sound out" in refused(propagate, "--sound", *overlay, input=path)
