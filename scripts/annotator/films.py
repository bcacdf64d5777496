"""Films of what was annotated: drawn over, cut out with transparency, or before green."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dataset.video_files.mp4_file import write_mp4
from dataset.video_files.video_file import VideoFile
from scripts.annotator.pictures import Pictures
from scripts.evaluation.overlays import draw_masks

Masks = Iterable[tuple[int, str, NDArray[np.uint8]]]  # number, name and labels H x W of each frame

GREEN = (0, 177, 64)  # of screens that are keyed out
RIM = 9  # pixels around the objects that keep their colours where they are transparent: edges stay clean
BT709 = 1  # FFmpeg's number of these colours


@dataclass(frozen=True)
class _AlphaFormat:
    """How a film with transparency is coded."""

    container: str
    codec: str
    pixels: str
    options: dict[str, str]


ALPHA_FORMATS = {
    "prores": _AlphaFormat("mov", "prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "16"}),
    "webm": _AlphaFormat(
        "webm", "libvpx-vp9", "yuva420p", {"crf": "18", "b": "0", "auto-alt-ref": "0", "cpu-used": "5"}
    ),
}


def write_overlay(path: Path, pictures: Pictures, masks: Masks, palette: list[int]) -> None:
    """Write an MP4 with colours, contours and labels drawn in, and the source's sound."""

    def drawn() -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for index, _, labels in masks:
            yield index, draw_masks(pictures.read(index), labels, palette)

    write_mp4(path, pictures.source, drawn(), _sound(pictures))


def write_green(path: Path, pictures: Pictures, masks: Masks) -> None:
    """Write an MP4 of the objects before green, with the source's sound."""
    green = np.array(GREEN, np.uint8)

    def keyed() -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for index, _, labels in masks:
            yield index, np.where((labels > 0)[:, :, None], pictures.read(index), green)

    write_mp4(path, pictures.source, keyed(), _sound(pictures))


def write_cut_out(path: Path, pictures: Pictures, masks: Masks, kind: str) -> None:
    """Write a film in which all but the objects is transparent, without sound.

    Args:
        path: of the film.
        pictures: of the video.
        masks: of all frames that can be decoded.
        kind: a key of `ALPHA_FORMATS`.
    """
    form, source = ALPHA_FORMATS[kind], pictures.source
    height, width = pictures.size
    with av.open(f"file:{path}", "w", format=form.container) as film:
        rate = Fraction(source.fps).limit_denominator(100_000)
        stream = cast(VideoStream, film.add_stream(form.codec, rate, options=form.options))
        stream.width, stream.height, stream.pix_fmt = width, height, form.pixels
        context = stream.codec_context
        context.time_base = source.time_base
        context.sample_aspect_ratio = source.pixel_aspect
        context.colorspace = context.color_primaries = context.color_trc = BT709
        for index, _, labels in masks:
            frame = VideoFrame.from_ndarray(cut_out(pictures.read(index), labels), format="rgba").reformat(
                format=form.pixels, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = source.stamps[index] - source.stamps[0], source.time_base
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))


def cut_out(picture: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture `H x W x 3` with its opacity, `H x W x 4`; what is far from objects is black."""
    inside = (labels > 0).astype(np.uint8)
    near = cv2.dilate(inside, np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8))
    return np.dstack([picture * near[:, :, None], inside * np.uint8(255)])


def _sound(pictures: Pictures) -> Path | None:
    return pictures.path if isinstance(pictures.source, VideoFile) else None
