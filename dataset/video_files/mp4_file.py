"""Writes videos of results, with the source's time stamps and sound; the MP4s play in browsers and phones."""

import heapq
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dataset.video_files.frame_source import FrameSource
from dataset.video_files.packets import open_container
from util.files import atomic_path

BT709 = 1  # FFmpeg's number of the colour space
LIMITED_RANGE = 1
SOUND_RATE = 48000

Pictures = Iterable[tuple[int, NDArray[np.uint8]]]  # index of the frame, rising, and picture


class VideoFormat(NamedTuple):
    """How a video is encoded: FFmpeg's names of container, codecs and pixel format."""

    container: str
    codec: str
    pixels: str
    options: dict[str, str]  # options of the video encoder
    sound_codec: str
    block: int = 1  # width and height are multiples of this


MP4 = VideoFormat("mp4", "libx264", "yuv420p", {"crf": "18", "preset": "fast"}, "aac", block=2)
FASTSTART = {"movflags": "+faststart"}  # option that puts the MP4's index first


def write_mp4(path: Path, frames: FrameSource, pictures: Pictures, sound: Path | None = None) -> None:
    """Write RGB pictures `H x W x 3` atomically as an H.264 MP4; arguments as in `write_video_file`.

    Raises:
        OSError: the MP4 could not be written.
    """
    with atomic_path(path) as temporary:
        written = write_video_file(temporary, MP4, frames, pictures, sound)
        with open_container(temporary) as output:
            there = sum(1 for packet in output.demux(video=0) if packet.size)
        if written != there:
            raise OSError(f"the video {path} could not be written completely: is the disk full?")


def write_video_file(
    path: Path, form: VideoFormat, frames: FrameSource, pictures: Pictures, sound: Path | None
) -> int:
    """Write pictures as a video, and return their number.

    A frame without a picture shows the one before it. H.264 needs even sizes: an odd last row or column is
    doubled.

    Args:
        path: path of the video.
        form: format of the video.
        frames: source of the time stamps (the first frame is shown at 0) and the pixel aspect.
        pictures: index of the frame, rising, and picture, RGB `H x W x 3` or RGBA `H x W x 4`.
        sound: video file whose sound is added, from the first frame to the end of the last; None for none.

    Raises:
        OSError: the video could not be written.
    """
    pictures = iter(pictures)
    index, first = next(pictures)
    written = 0
    with _opened(path, form.container) as output:
        track = _video_track(output, form, frames, first)
        packets = [_video_packets(track, frames, chain([(index, first)], pictures))]
        if sound is not None:
            packets.append(_sound_packets(output, form.sound_codec, frames, sound))
        for packet in heapq.merge(*packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            output.mux(packet)
            written += packet.stream == track
    return written


def write_sound(path: Path, source: Path, frames: FrameSource) -> None:
    """Write a video file's sound from the first frame to the end of the last as WebM, which browsers play.

    Args:
        path: path of the result, which is written atomically.
        source: video file with the sound.
        frames: frames of the video file.

    Raises:
        OSError: the result could not be written.
    """
    with atomic_path(path) as temporary, _opened(temporary, "webm") as output:
        for packet in _sound_packets(output, "libopus", frames, source):
            output.mux(packet)


def has_sound(path: Path) -> bool:
    """Return whether a video file has sound; raise InputError when it is not a video."""
    with open_container(path) as source:
        return source.streams.best("audio") is not None


@contextmanager
def _opened(path: Path, container: str) -> Iterator[OutputContainer]:
    """Open a file for writing, and turn FFmpeg's errors into OSError with its path."""
    try:
        options = FASTSTART if container == MP4.container else {}
        with av.open(f"file:{os.fspath(path)}", "w", format=container, options=options) as output:
            yield output
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _video_track(
    output: OutputContainer, form: VideoFormat, frames: FrameSource, first: NDArray[np.uint8]
) -> VideoStream:
    """Add the video track for pictures like `first`, `H x W x C`."""
    rate = Fraction(frames.fps).limit_denominator(100_000)
    track = cast(VideoStream, output.add_stream(form.codec, rate, options=dict(form.options)))
    track.height, track.width = (side + -side % form.block for side in first.shape[:2])
    track.pix_fmt = form.pixels
    context = track.codec_context
    context.time_base = frames.time_base
    context.sample_aspect_ratio = frames.pixel_aspect
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED_RANGE
    return track


def _video_packets(track: VideoStream, frames: FrameSource, pictures: Pictures) -> Iterator["Packet[Any]"]:
    """Encode pictures, and yield the packets with the times and durations of the frames."""
    stamps = [stamp - frames.stamps[0] for stamp in frames.stamps]
    ends = [*stamps[1:], stamps[-1] + _last_duration(frames)]
    durations = {stamp: end - stamp for stamp, end in zip(stamps, ends, strict=True)}
    reformatter = VideoReformatter()

    def encoded() -> Iterator[VideoFrame | None]:
        for index, picture in pictures:
            below, right = track.height - picture.shape[0], track.width - picture.shape[1]
            even = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
            frame = reformatter.reformat(
                VideoFrame.from_ndarray(even, format="rgb24" if picture.shape[2] == 3 else "rgba"),
                format=track.pix_fmt,
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                interpolation=Interpolation.BICUBIC,
            )
            frame.pts, frame.time_base = stamps[index], frames.time_base
            yield frame
        yield None  # flushes the encoder

    for frame in encoded():
        for packet in track.encode(frame):
            if packet.pts is not None:  # otherwise the duration of the last frame would be guessed
                packet.duration = durations[packet.pts]
            yield packet


def _sound_packets(
    output: OutputContainer, codec: str, frames: FrameSource, source: Path
) -> Iterator["Packet[Any]"]:
    """Encode a video file's sound from the first frame to the end of the last; none when it has no sound."""
    start = frames.stamps[0] * frames.time_base
    end = (frames.stamps[-1] + _last_duration(frames)) * frames.time_base
    with open_container(source) as container:
        stream = cast(AudioStream | None, container.streams.best("audio"))
        if stream is None:
            return
        track = cast(AudioStream, output.add_stream(codec, SOUND_RATE))
        track.codec_context.layout = "stereo"
        done = 0  # samples
        for time, frame in _sound_frames(container, stream):
            if time >= end:
                break
            begin = round((time - start) * frame.sample_rate)
            if begin + frame.samples > 0:
                # times are rounded in some containers, and must not go back
                frame.pts, frame.time_base = max(begin, done), Fraction(1, frame.sample_rate)
                done = frame.pts + frame.samples
                yield from track.encode(frame)
        yield from track.encode(None)


def _sound_frames(container: InputContainer, stream: AudioStream) -> Iterator[tuple[Fraction, AudioFrame]]:
    """Decode the sound with its times in seconds; damaged parts are left out, and so are silent."""
    with suppress(av.FFmpegError):  # nothing can be read behind it
        for packet in container.demux(stream):
            with suppress(av.FFmpegError):
                for frame in packet.decode():
                    if frame.pts is not None and frame.time_base is not None:
                        yield frame.pts * frame.time_base, frame


def _last_duration(frames: FrameSource) -> int:
    """Return the duration of the last frame in steps: that of the frame before it."""
    if len(frames.stamps) > 1:
        return frames.stamps[-1] - frames.stamps[-2]
    return max(1, round(1 / (Fraction(frames.fps) * frames.time_base)))
