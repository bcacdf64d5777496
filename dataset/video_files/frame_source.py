"""Sources of frames with one interface: a folder of pictures or a video file."""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dataset.image_io import DEEP, bits_of_frames, list_images, read_image
from dataset.video_files.video_file import VideoFile
from util.errors import InputError

FOLDER_FPS = 24.0  # frame rate of pictures, as in DAVIS


class FrameSource(Protocol):
    """Frames in order.

    Attributes:
        names: names of the frames, without suffix.
        place: folder or video file that the frames are read from.
        fps: average frames per second.
        time_base: seconds of one step of `stamps`.
        stamps: time of each frame, in units of `time_base`.
        pixel_aspect: width of a pixel by its height.
        threads: number of threads that may call `read` at once.
    """

    names: Sequence[str]
    place: Path
    fps: float
    time_base: Fraction
    stamps: Sequence[int]
    pixel_aspect: Fraction
    threads: int

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return frame `index` as RGB, `H x W x 3`.

        Raises:
            MissingFrameError: the video file is damaged at this frame.
        """


class PictureFiles:
    """Frames from picture files.

    Args:
        paths: paths of the pictures, in order.
        fps: frames per second.
        upright: whether to turn pictures as their EXIF data says.
        bits: number of bits that 16-bit pictures use.
    """

    def __init__(
        self, paths: Sequence[Path], fps: float = FOLDER_FPS, upright: bool = False, bits: int = DEEP
    ) -> None:
        self.paths = paths
        self.upright = upright
        self.bits = bits
        self.names: Sequence[str] = [path.stem for path in paths]
        self.place = paths[0].parent
        self.fps = fps
        self.time_base = 1 / Fraction(fps).limit_denominator(1001)
        self.stamps: Sequence[int] = range(len(paths))
        self.pixel_aspect = Fraction(1)
        self.threads = 2

    def read(self, index: int) -> NDArray[np.uint8]:
        """Decode one picture; raise InputError when it cannot be decoded."""
        return read_image(self.paths[index], upright=self.upright, bits=self.bits)


class Selection:
    """Some frames of a source, in any order; `fps` is their frame rate, None for the source's."""

    def __init__(self, source: FrameSource, indices: Sequence[int], fps: float | None = None) -> None:
        self.source = source
        self.indices = indices
        self.names: Sequence[str] = [source.names[index] for index in indices]
        self.place = source.place
        self.fps = source.fps if fps is None else fps
        self.time_base = source.time_base
        self.stamps: Sequence[int] = [source.stamps[index] for index in indices]
        self.pixel_aspect = source.pixel_aspect
        self.threads = source.threads

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return frame `index` of the selection."""
        return self.source.read(self.indices[index])


def picture_files(source: FrameSource) -> PictureFiles | None:
    """Return the picture files of a source; None for a video file."""
    if isinstance(source, Selection):
        inner = picture_files(source.source)
        paths = inner and [inner.paths[index] for index in source.indices]
        return PictureFiles(paths, source.fps, inner.upright) if inner and paths else None
    return source if isinstance(source, PictureFiles) else None


def natural_order(path: Path) -> list[tuple[int, int, str]]:
    """Return a sort key of a file name, with numbers by value: frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part.lower()) for part in parts if part]


def open_source(path: Path, fps: float | None = None) -> FrameSource:
    """Return the frames of a video file or of a folder of pictures (in natural order).

    Pictures are turned upright, as videos are. Each file is one frame, the first that it holds.

    Args:
        path: path of the file or folder.
        fps: frames per second of a folder; None for `FOLDER_FPS`.

    Raises:
        InputError: the path does not exist, the folder has no pictures, two pictures have one name, or a rate
            is given for a video file.
    """
    if path.is_dir():
        pictures = sorted(list_images(path), key=natural_order)
        if not pictures:
            raise InputError(
                f"there are no pictures in {path}: it needs jpg, png, bmp, webp or tiff files, whose names "
                "do not begin with a dot."
            )
        stems = {picture.stem for picture in pictures}
        if len(stems) < len(pictures):
            raise InputError(f"{path} has pictures whose names differ only in the suffix: keep one of each.")
        return PictureFiles(pictures, fps or FOLDER_FPS, upright=True, bits=bits_of_frames(pictures))
    if not path.is_file():
        raise InputError(f"there is no video file and no folder of frames at {path}.")
    if fps is not None:
        raise InputError(
            f"--fps is for a folder of pictures; the video {path} has its own rate: leave it out."
        )
    return VideoFile(path)
