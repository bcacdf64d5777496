"""Where frames come from: a folder of pictures or a video file, with the same interface."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.image_io import list_images, read_image
from util.errors import InputError

VIDEO_SUFFIXES = {".mp4", ".avi", ".mov", ".webm", ".gif", ".mkv", ".m4v"}
FOLDER_FPS = 24.0  # pictures carry no frame rate; this is DAVIS's
REVERSE_BYTES = 1 << 27  # decoded frames held while a video file is read backwards


class FrameSource(Protocol):
    """Frames in order."""

    @property
    def names(self) -> Sequence[str]:
        """One a frame, without suffix."""

    @property
    def place(self) -> Path:
        """The folder or video file that they are read from."""

    @property
    def fps(self) -> float:
        """Frames a second."""

    @property
    def threads(self) -> int:
        """How many may call `read` at once."""

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return frame `index` as RGB, `H x W x 3`."""


class PictureFiles:
    """Frames that are one picture file each.

    Args:
        paths: of the pictures, in order.
        fps: frames a second.
        upright: see `read_image`.
    """

    def __init__(self, paths: Sequence[Path], fps: float = FOLDER_FPS, upright: bool = False) -> None:
        self.paths = paths
        self.upright = upright
        self.names = [path.stem for path in paths]
        self.place = paths[0].parent
        self.fps = fps
        self.threads = 2

    def read(self, index: int) -> NDArray[np.uint8]:
        """Decode one picture; InputError when it cannot be."""
        return read_image(self.paths[index], upright=self.upright)


class VideoFile:
    """Frames of a video file, named by their number: 00000, 00001, ...

    Decoding is sequential. Stepping back decodes from the start again (seeking is not exact in
    every container) and keeps a bounded run of frames, so reading backwards stays affordable.
    """

    def __init__(self, path: Path) -> None:
        self.path = self.place = path
        self.threads = 1
        self._open()
        count = 0
        while self._capture.grab():  # the count in a file's header can be wrong
            count += 1
        if count == 0:
            raise InputError(
                f"{path} cannot be read as a video: convert it to MP4, or to a folder of pictures."
            )
        self.names = [f"{index:05}" for index in range(count)]
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or FOLDER_FPS
        self._open()

    def read(self, index: int) -> NDArray[np.uint8]:
        """Decode one frame; fastest when indices rise."""
        if index in self._held:
            return self._held[index]
        if index < self._next:
            return self._read_run_up_to(index)
        return self._decode(index)

    def _open(self) -> None:
        self._capture = cv2.VideoCapture(str(self.path))
        self._next = 0  # index of the frame that the decoder gives next
        self._held: dict[int, NDArray[np.uint8]] = {}

    def _decode(self, index: int) -> NDArray[np.uint8]:
        while self._next < index and self._capture.grab():
            self._next += 1
        good, frame = self._capture.read()
        self._next += 1
        if not good:
            raise InputError(f"frame {index} of {self.path} cannot be decoded: the file is damaged there.")
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def _read_run_up_to(self, index: int) -> NDArray[np.uint8]:
        self._open()
        start = max(0, index + 1 - max(1, REVERSE_BYTES // self._decode(0).nbytes))
        self._open()
        self._held = {i: self._decode(i) for i in range(start, index + 1)}
        return self._held[index]


class Selection:
    """Some frames of a source, in any order."""

    def __init__(self, source: FrameSource, indices: Sequence[int], fps: float | None = None) -> None:
        self.source = source
        self.indices = indices
        self.names = [source.names[index] for index in indices]
        self.place = source.place
        self.fps = source.fps if fps is None else fps
        self.threads = source.threads

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return the selection's frame `index`."""
        return self.source.read(self.indices[index])


def picture_files(source: FrameSource) -> PictureFiles | None:
    """Return the picture files that frames are read from; None when it is a video file."""
    if isinstance(source, Selection):
        inner = picture_files(source.source)
        paths = inner and [inner.paths[index] for index in source.indices]
        return PictureFiles(paths, source.fps, inner.upright) if inner and paths else None
    return source if isinstance(source, PictureFiles) else None


def natural_order(path: Path) -> list[tuple[int, int, str]]:
    """Sort key by name with numbers by value: frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part.lower()) for part in parts if part]


def open_source(path: Path) -> FrameSource:
    """Return the frames of a video file or of a folder of pictures (in natural order).

    Pictures are turned upright, as the decoder turns videos.

    Raises:
        InputError: there is nothing there, no picture in the folder, or two of one name.
    """
    if path.is_dir():
        pictures = sorted(list_images(path), key=natural_order)
        if not pictures:
            raise InputError(f"there are no pictures in {path}: it needs jpg, png, bmp or webp files.")
        stems = {picture.stem for picture in pictures}
        if len(stems) < len(pictures):
            raise InputError(f"{path} has pictures of the same name but for the suffix: keep one of each.")
        return PictureFiles(pictures, upright=True)
    if not path.is_file():
        raise InputError(f"there is no video file and no folder of frames at {path}.")
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError(f"{path} is neither a folder nor a video ({', '.join(sorted(VIDEO_SUFFIXES))}).")
    return VideoFile(path)
