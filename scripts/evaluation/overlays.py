"""Pictures and videos of masks drawn over frames."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset.masks.readers import read_labels
from dataset.video_files.frame_source import FrameSource
from dataset.video_files.mp4_file import write_mp4
from dataset.video_files.video_file import MissingFrameError
from util.background import prefetch
from util.files import atomic_path
from util.palette import extend_palette
from util.progress import FrameProgress

FILL = 0.45  # opacity of an object's colour
SHEET_FRAMES = 8
SHEET_COLUMNS = 4
SHEET_WIDTH = 480  # width of one picture of a contact sheet
SHEET_QUALITY = 95  # JPEG quality


def draw_masks(
    picture: NDArray[np.uint8], labels: NDArray[np.uint8], palette: list[int] | None
) -> NDArray[np.uint8]:
    """Draw each object's colour, contour and label over a picture.

    Args:
        picture: RGB `H x W x 3`.
        labels: label map `H x W`.
        palette: colours, R G B R G B ...; None draws all labels as one object.
    """
    if palette is None:
        labels = (labels > 0).astype(np.uint8)
    colours = np.array(extend_palette(palette), np.uint8).reshape(-1, 3)
    height, width = labels.shape
    thickness = max(1, round(min(height, width) / 240))
    inside = (labels > 0)[:, :, None]
    blend = cv2.addWeighted(picture, 1 - FILL, colours[labels], FILL, 0)
    drawn = np.where(inside, blend, picture)
    for label in np.unique(labels[labels > 0]).tolist():
        mask = (labels == label).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, contours, -1, colours[label].tolist(), thickness, cv2.LINE_AA)
        _draw_label(drawn, mask, str(label), thickness)
    return drawn


def _draw_label(drawn: NDArray[np.uint8], mask: NDArray[np.uint8], text: str, thickness: int) -> None:
    """Write an object's label at its thickest point, in white with a dark edge."""
    depth = cv2.distanceTransform(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
    x, y = cv2.minMaxLoc(depth)[3]
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.5 * thickness
    (text_width, text_height), _ = cv2.getTextSize(text, font, scale, thickness)
    corner = (x - text_width // 2, y + text_height // 2)
    cv2.putText(drawn, text, corner, font, scale, (0, 0, 0), thickness + 2, cv2.LINE_AA)
    cv2.putText(drawn, text, corner, font, scale, (255, 255, 255), thickness, cv2.LINE_AA)


def overlaid_frames(
    frames: FrameSource, indices: Sequence[int], mask_folder: Path, palette: list[int] | None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield indices and frames with their masks drawn in.

    A frame without a mask is not changed; a damaged frame of a video file is left out.
    """

    def overlaid(index: int) -> tuple[int, NDArray[np.uint8]] | None:
        try:
            picture = frames.read(index)
        except MissingFrameError:
            return None
        mask = mask_folder / f"{frames.names[index]}.png"
        return index, draw_masks(picture, read_labels(mask), palette) if mask.is_file() else picture

    return (each for each in prefetch(overlaid, indices, threads=frames.threads) if each is not None)


def write_overlay(
    frames: FrameSource,
    mask_folder: Path,
    palette: list[int] | None,
    path: Path,
    sound: Path | None = None,
) -> None:
    """Write an MP4 of all frames with their masks drawn in, at the source's size and times.

    Args:
        frames: frames to show.
        mask_folder: folder of the masks, `<frame>.png`.
        palette: see `draw_masks`.
        path: path of the MP4.
        sound: video file whose sound is added; None for no sound.
    """
    indices = range(len(frames.names))
    with FrameProgress(len(indices)) as progress:

        def shown() -> Iterator[tuple[int, NDArray[np.uint8]]]:
            for index, picture in overlaid_frames(frames, indices, mask_folder, palette):
                yield index, picture
                progress.advance(f"overlay {path.stem}")

        write_mp4(path, frames, shown(), sound)


def write_contact_sheet(
    frames: FrameSource, mask_folder: Path, palette: list[int] | None, path: Path
) -> None:
    """Write a JPEG of up to eight evenly spaced frames with their masks; damaged frames are black."""
    count = min(SHEET_FRAMES, len(frames.names))
    indices = np.linspace(0, len(frames.names) - 1, count).round().astype(int).tolist()
    shown = overlaid_frames(frames, indices, mask_folder, palette)
    found = {index: _to_width(picture, SHEET_WIDTH) for index, picture in shown}
    blank = np.zeros_like(next(iter(found.values()), np.zeros((SHEET_WIDTH, SHEET_WIDTH, 3), np.uint8)))
    columns = min(SHEET_COLUMNS, count)
    pictures = [found.get(index, blank) for index in indices] + [blank] * (-count % columns)
    rows = [np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures), columns)]
    with atomic_path(path) as temporary:
        Image.fromarray(np.vstack(rows)).save(temporary, quality=SHEET_QUALITY)


def _to_width(picture: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
