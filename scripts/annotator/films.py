"""Videos of the result: overlays, cut-outs with alpha, cut-outs on green."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dataset.video_files.mp4_file import (
    BT709,
    LIMITED_RANGE,
    WEBM_SOUND,
    Sound,
    SoundCodecs,
    span,
    write_mp4,
)
from dataset.video_files.video_file import VideoFile
from scripts.annotator.cut_out import Edge, cut_out, opacity
from scripts.annotator.snapshot import Show, Snapshot
from scripts.evaluation.overlays import draw_masks

GREEN = (0, 177, 64)  # of screens that are keyed out


@dataclass(frozen=True)
class _AlphaFormat:
    """How a film with transparency is coded."""

    container: str
    codec: str
    pixels: str
    options: dict[str, str]
    sound: SoundCodecs


PRORES = _AlphaFormat(
    *("mov", "prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "16"}),
    SoundCodecs(("aac", "mp3", "ac3", "eac3", "alac"), "aac"),
)
WEBM = _AlphaFormat(
    *("webm", "libvpx-vp9", "yuva420p"),
    {"crf": "18", "b": "0", "auto-alt-ref": "0", "cpu-used": "5"},
    WEBM_SOUND,
)


def write_overlay(snapshot: Snapshot, path: Path, show: Show, edge: Edge) -> None:
    """Write an MP4 with colours, contours and labels drawn in, and the source's sound."""
    palette = snapshot.palette()

    def drawn() -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for index, _, labels in snapshot.masks(show):
            yield index - snapshot.frames[0], draw_masks(snapshot.pictures.read(index), labels, palette)

    write_mp4(path, snapshot.source, drawn(), _sound(snapshot))


def write_green(snapshot: Snapshot, path: Path, show: Show, edge: Edge) -> None:
    """Write an MP4 of the objects on green, with the source's sound."""
    green = np.array(GREEN, np.float32)

    def keyed() -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for index, _, labels in snapshot.masks(show):
            alpha = opacity(labels > 0, edge)[:, :, None] / np.float32(255)
            picture = np.rint(green + alpha * (snapshot.pictures.read(index) - green)).astype(np.uint8)
            yield index - snapshot.frames[0], picture

    write_mp4(path, snapshot.source, keyed(), _sound(snapshot))


def write_prores(snapshot: Snapshot, path: Path, show: Show, edge: Edge) -> None:
    """Write ProRes 4444 in which all but the objects is transparent, with the source's sound."""
    _write_cut_out(snapshot, path, show, edge, PRORES)


def write_webm(snapshot: Snapshot, path: Path, show: Show, edge: Edge) -> None:
    """Write VP9 in which all but the objects is transparent, with the source's sound."""
    _write_cut_out(snapshot, path, show, edge, WEBM)


def _write_cut_out(snapshot: Snapshot, path: Path, show: Show, edge: Edge, form: _AlphaFormat) -> None:
    source, sound = snapshot.source, _sound(snapshot)
    height, width = snapshot.pictures.size
    with av.open(f"file:{path}", "w", format=form.container) as film:
        rate = Fraction(source.fps).limit_denominator(100_000)
        stream = cast(VideoStream, film.add_stream(form.codec, rate, options=form.options))
        stream.width, stream.height, stream.pix_fmt = width, height, form.pixels
        context = stream.codec_context
        context.time_base = source.time_base
        context.sample_aspect_ratio = source.pixel_aspect
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        heard = None if sound is None else Sound(film, sound, *span(source), form.sound)
        for index, _, labels in snapshot.masks(show):
            picture = cut_out(snapshot.pictures.read(index), labels > 0, edge)
            frame = VideoFrame.from_ndarray(picture, format="rgba").reformat(
                format=form.pixels, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            stamp = source.stamps[index - snapshot.frames[0]] - source.stamps[0]
            frame.pts, frame.time_base = stamp, source.time_base
            if heard is not None:
                film.mux(list(heard.until(stamp * source.time_base)))
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
        if heard is not None:
            film.mux(list(heard.until(None)))


def _sound(snapshot: Snapshot) -> Path | None:
    return snapshot.pictures.path if isinstance(snapshot.pictures.source, VideoFile) else None
