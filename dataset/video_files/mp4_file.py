"""Writes H.264 videos that browsers and phones play, with the source's time stamps and sound."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dataset.video_files.frame_source import FrameSource
from dataset.video_files.packet_decoder import open_container
from util.files import atomic_path

FASTSTART = {"movflags": "+faststart"}  # the MP4's index comes first
QUALITY = {"crf": "18", "preset": "fast"}  # x264's settings; visually lossless
BT709 = 1  # FFmpeg's number of the colour space
LIMITED_RANGE = 1
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
OPUS_RATE = 48000

Picture = NDArray[np.uint8]


class SoundCodecs(NamedTuple):
    """Which sound a container can hold, and how other sound is encoded for it: "aac" or "libopus"."""

    copied: tuple[str, ...]
    encoder: str


WEBM_SOUND = SoundCodecs(("opus", "vorbis"), "libopus")
MP4_SOUND = SoundCodecs(("aac", "mp3", "ac3", "eac3", "alac", "flac", "opus"), "aac")


def write_mp4(
    path: Path,
    frames: FrameSource,
    pictures: Iterable[tuple[int, Picture]],
    sound: Path | None = None,
) -> None:
    """Write pictures atomically as an MP4 whose index comes first, so that it plays while it is loaded.

    H.264 needs even sizes: an odd last row or column is doubled. A frame without a picture shows the one
    before it. Pictures of another size are resized to the first.

    Args:
        path: path of the MP4.
        frames: source of the time stamps (the first frame is shown at 0) and the pixel aspect.
        pictures: index of the frame, rising, and RGB picture `H x W x 3`.
        sound: video file whose sound is added, from the first frame to the end of the last: copied when MP4
            supports its codec, else encoded as AAC.

    Raises:
        OSError: the MP4 could not be written.
    """
    with atomic_path(path) as temporary:
        with _system_errors(path), av.open(_url(temporary), "w", format="mp4", options=FASTSTART) as film:
            written = _write_tracks(film, frames, pictures, sound)
        if written != _packets_in(temporary):
            raise OSError(f"the video {path} could not be written completely: is the disk full?")


def _write_tracks(
    film: OutputContainer,
    frames: FrameSource,
    pictures: Iterable[tuple[int, Picture]],
    sound: Path | None,
) -> int:
    """Write both tracks interleaved; return the number of pictures."""
    heard = None if sound is None else Sound(film, sound, *span(frames))
    shown: _Pictures | None = None
    written = 0
    for index, picture in pictures:
        shown = shown or _Pictures(film, frames, picture)
        packets = shown.encode(index, picture)
        if heard is not None:
            film.mux(list(heard.until(shown.seconds(index))))
        film.mux(packets)
        written += 1
    if shown is not None:
        film.mux(shown.flush())
    if heard is not None:
        film.mux(list(heard.until(None)))
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
    with (
        atomic_path(path) as temporary,
        _system_errors(path),
        av.open(_url(temporary), "w", format="webm") as film,
    ):
        film.mux(list(Sound(film, source, *span(frames), WEBM_SOUND).until(None)))


def has_sound(path: Path) -> bool:
    """Return whether a video file has sound; raise InputError when it is not a video."""
    with open_container(path) as source:
        return source.streams.best("audio") is not None


class _Pictures:
    """The video track."""

    def __init__(self, film: OutputContainer, frames: FrameSource, first: Picture) -> None:
        self._time_base = frames.time_base
        self._stamps = [stamp - frames.stamps[0] for stamp in frames.stamps]
        ends = [*self._stamps[1:], self._stamps[-1] + _last_duration(frames)]
        self._durations = {stamp: end - stamp for stamp, end in zip(self._stamps, ends, strict=True)}
        self._size = (first.shape[1], first.shape[0])
        self._reformatter = VideoReformatter()
        rate = Fraction(frames.fps).limit_denominator(100_000)
        self._stream = film.add_stream("libx264", rate, options=dict(QUALITY))
        self._stream.width, self._stream.height = (side + side % 2 for side in self._size)
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = self._time_base
        context.sample_aspect_ratio = frames.pixel_aspect
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE

    def seconds(self, index: int) -> Fraction:
        """Return the time of a frame in seconds."""
        return self._stamps[index] * self._time_base

    def encode(self, index: int, picture: Picture) -> list["Packet[VideoStream]"]:
        """Encode a picture, and return the packets that are ready."""
        if (picture.shape[1], picture.shape[0]) != self._size:
            picture = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        below, right = picture.shape[0] % 2, picture.shape[1] % 2
        even = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(even, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC,
        )
        frame.pts, frame.time_base = self._stamps[index], self._time_base
        return self._timed(self._stream.encode(frame))

    def flush(self) -> list["Packet[VideoStream]"]:
        """Return the remaining packets of the encoder."""
        return self._timed(self._stream.encode(None))

    def _timed(self, packets: list["Packet[VideoStream]"]) -> list["Packet[VideoStream]"]:
        for packet in packets:
            if packet.pts is not None:  # otherwise that of the last frame would be guessed
                packet.duration = self._durations[packet.pts]
        return packets


class Sound:
    """The audio track: a part of a video file's sound, or nothing when it has none.

    Args:
        film: container to add the track to.
        source: video file with the sound.
        start: start of the part in seconds.
        end: end of the part in seconds.
        codecs: sound codecs of the container.
    """

    def __init__(
        self,
        film: OutputContainer,
        source: Path,
        start: Fraction,
        end: Fraction,
        codecs: SoundCodecs = MP4_SOUND,
    ) -> None:
        self._container = open_container(source)
        self._start, self._end = start, end
        self._packets: Iterator[Packet[Any]] = iter(())
        self._waiting: Packet[Any] | None = None
        found = cast(AudioStream | None, self._container.streams.best("audio"))
        if found is None:
            return
        if found.codec_context.codec.canonical_name in codecs.copied:
            self._packets = self._copied(found, film.add_stream_from_template(found))
        else:
            rates = AAC_RATES if codecs.encoder == "aac" else (OPUS_RATE,)
            rate = min(rates, key=lambda possible: abs(possible - found.codec_context.sample_rate))
            track = cast(AudioStream, film.add_stream(codecs.encoder, rate))
            track.codec_context.layout = "mono" if found.codec_context.channels == 1 else "stereo"
            self._packets = self._encoded(found, track)

    def until(self, seconds: Fraction | None) -> Iterator["Packet[Any]"]:
        """Yield the packets up to a time of the result, or all remaining packets."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = None
            if packet is None:
                return
            if seconds is not None and (packet.pts or 0) * packet.time_base > seconds:
                self._waiting = packet
                return
            yield packet

    def _copied(self, found: AudioStream, track: AudioStream) -> Iterator["Packet[Any]"]:
        for packet in self._part(found):
            shift = round(self._start / packet.time_base)
            if packet.pts is not None and packet.dts is not None:
                packet.pts -= shift
                packet.dts -= shift
            packet.stream = track
            yield packet

    def _encoded(self, found: AudioStream, track: AudioStream) -> Iterator["Packet[Any]"]:
        end = None  # of the frames so far, in samples
        for packet in self._part(found):
            with suppress(av.FFmpegError):  # damaged parts are silent
                for frame in packet.decode():
                    if frame.pts is not None and frame.time_base is not None:
                        begin = round((frame.pts * frame.time_base - self._start) * frame.sample_rate)
                        # times are rounded in some containers, and must not go back
                        frame.pts = begin if end is None else max(begin, end)
                        frame.time_base = Fraction(1, frame.sample_rate)
                        end = frame.pts + frame.samples
                    yield from track.encode(frame)
        yield from track.encode(None)

    def _part(self, found: AudioStream) -> Iterator["Packet[AudioStream]"]:
        """Yield the packets of the part, with rising times."""
        last, shift = None, 0
        with suppress(av.FFmpegError):
            for packet in self._container.demux(found):
                if packet.pts is None or packet.dts is None:
                    continue
                if last is not None and packet.dts + shift <= last:
                    shift = last + max(1, packet.duration or 0) - packet.dts
                packet.pts += shift
                packet.dts += shift
                last = packet.dts
                begin = packet.pts * packet.time_base
                if begin >= self._end:
                    return
                if begin + (packet.duration or 0) * packet.time_base > self._start:
                    yield packet


def span(frames: FrameSource) -> tuple[Fraction, Fraction]:
    """Return the start of the first frame and the end of the last one, in seconds of the source."""
    end = frames.stamps[-1] + _last_duration(frames)
    return frames.stamps[0] * frames.time_base, end * frames.time_base


def _last_duration(frames: FrameSource) -> int:
    """Return the duration of the last frame in steps: that of the frame before it."""
    if len(frames.stamps) > 1:
        return frames.stamps[-1] - frames.stamps[-2]
    return max(1, round(1 / (Fraction(frames.fps) * frames.time_base)))


def _packets_in(path: Path) -> int:
    with open_container(path) as film:
        return sum(1 for packet in film.demux(video=0) if packet.size)


def _url(path: Path) -> str:
    return f"file:{os.fspath(path)}"


@contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    """Turn FFmpeg's errors into OSError with the path."""
    try:
        yield
    except av.FFmpegError as error:
        if error.errno is not None and error.errno in errno.errorcode:
            raise OSError(error.errno, os.strerror(error.errno), os.fspath(path)) from error
        raise OSError(f"the video {path} could not be written: {error.strerror}.") from error
