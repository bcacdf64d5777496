"""Videos of the result: overlays, cut-outs with alpha, cut-outs on green."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.video_files.mp4_file import VideoFormat, write_mp4, write_video_file
from dataset.video_files.video_file import VideoFile
from scripts.annotator.cut_out import cut_out, opacity
from scripts.annotator.masks import Labels
from scripts.annotator.snapshot import Show, Snapshot
from scripts.evaluation.overlays import draw_masks

Picture = NDArray[np.uint8]  # H x W x 3 or 4

GREEN = (0, 177, 64)  # of screens that are keyed out
PRORES_OPTIONS = {"profile": "4444", "alpha_bits": "16"}
PRORES = VideoFormat("mov", "prores_ks", "yuva444p10le", PRORES_OPTIONS, sound_codec="aac")
WEBM_OPTIONS = {"crf": "18", "b": "0", "auto-alt-ref": "0", "cpu-used": "5"}
WEBM = VideoFormat("webm", "libvpx-vp9", "yuva420p", WEBM_OPTIONS, sound_codec="libopus")


def write_overlay(snapshot: Snapshot, path: Path, show: Show) -> None:
    """Write an MP4 with colours, contours and labels drawn in, and the source's sound."""
    palette = snapshot.palette()
    pictures = _painted(snapshot, show, lambda picture, labels: draw_masks(picture, labels, palette))
    write_mp4(path, snapshot.source, pictures, _sound(snapshot))


def write_green(snapshot: Snapshot, path: Path, show: Show) -> None:
    """Write an MP4 of the objects on green, with the source's sound."""
    green = np.array(GREEN, np.float32)

    def keyed(picture: Picture, labels: Labels) -> Picture:
        alpha = opacity(labels > 0, snapshot.choice.edge)[:, :, None] / np.float32(255)
        return np.rint(green + alpha * (picture - green)).astype(np.uint8)

    write_mp4(path, snapshot.source, _painted(snapshot, show, keyed), _sound(snapshot))


def write_prores(snapshot: Snapshot, path: Path, show: Show) -> None:
    """Write ProRes 4444 in which all but the objects is transparent, with the source's sound."""
    write_video_file(path, PRORES, snapshot.source, _cut_out(snapshot, show), _sound(snapshot))


def write_webm(snapshot: Snapshot, path: Path, show: Show) -> None:
    """Write VP9 in which all but the objects is transparent, with the source's sound."""
    write_video_file(path, WEBM, snapshot.source, _cut_out(snapshot, show), _sound(snapshot))


def _cut_out(snapshot: Snapshot, show: Show) -> Iterator[tuple[int, Picture]]:
    edge = snapshot.choice.edge
    return _painted(snapshot, show, lambda picture, labels: cut_out(picture, labels > 0, edge))


def _painted(
    snapshot: Snapshot, show: Show, paint: Callable[[Picture, Labels], Picture]
) -> Iterator[tuple[int, Picture]]:
    """Yield the position in the export and the painted picture of each frame."""
    for index, _, labels in snapshot.masks(show):
        yield index - snapshot.frames[0], paint(snapshot.pictures.read(index), labels)


def _sound(snapshot: Snapshot) -> Path | None:
    return snapshot.pictures.path if isinstance(snapshot.pictures.source, VideoFile) else None
