"""Videos of the result: overlays, cut-outs with alpha, cut-outs on green."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.video_files.mp4_file import FilmFormat, write_film, write_mp4
from dataset.video_files.video_file import VideoFile
from scripts.annotator.cut_out import Edge, cut_out, opacity
from scripts.annotator.snapshot import Show, Snapshot
from scripts.evaluation.overlays import draw_masks

GREEN = (0, 177, 64)  # of screens that are keyed out


PRORES = FilmFormat(
    *("mov", "prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "16"}), sound_codec="aac"
)
WEBM = FilmFormat(
    *("webm", "libvpx-vp9", "yuva420p"),
    {"crf": "18", "b": "0", "auto-alt-ref": "0", "cpu-used": "5"},
    sound_codec="libopus",
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


def _write_cut_out(snapshot: Snapshot, path: Path, show: Show, edge: Edge, form: FilmFormat) -> None:
    def cut() -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for index, _, labels in snapshot.masks(show):
            picture = cut_out(snapshot.pictures.read(index), labels > 0, edge)
            yield index - snapshot.frames[0], picture

    write_film(path, form, snapshot.source, cut(), _sound(snapshot))


def _sound(snapshot: Snapshot) -> Path | None:
    return snapshot.pictures.path if isinstance(snapshot.pictures.source, VideoFile) else None
