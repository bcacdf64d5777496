"""Frames as pictures for the page, decoded when asked for."""

import hashlib
import re
import threading
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.video_checks import frame_size
from dataset.video_files.frame_source import FrameSource, PictureFiles, open_source
from dataset.video_files.mp4_file import has_sound
from dataset.video_files.video_file import MissingFrameError, VideoFile
from util.errors import InputError
from util.files import atomic_path

JPEG_QUALITY = 92
THUMBNAIL_HEIGHT = 54
THUMBNAILS = 48  # of a video, evenly spaced
NO_UNICODE = re.compile("[\\ud800-\\udfff]")  # what Python puts for bytes that are no UTF-8
LONGEST_NAME = 200  # bytes of the name of results; file systems allow 255, and kind and suffix are added


class Pictures:
    """The frames of a video; may be used from several threads.

    Args:
        path: a video file or a folder of pictures.
        fps: frames a second of a folder; None for 24.

    Attributes:
        size: (H, W).
        has_sound: whether the video has an audio stream.
        fingerprint: changes when the file or folder does.

    Raises:
        InputError: there are no frames, or one cannot be read or has another size or a strange name.
    """

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self.path = path
        self.source: FrameSource = open_source(path, fps)
        self.has_sound = isinstance(self.source, VideoFile) and has_sound(path)
        self.fingerprint = _fingerprint(path)
        self._lock = threading.Lock()
        for name in self.source.names:
            if NO_UNICODE.search(name):
                raise InputError(f"{path} has a picture whose name is not UTF-8, {name!r}: rename it.")
        self.size = frame_size(self.source, self.name)

    def __len__(self) -> int:
        return len(self.source.names)

    @property
    def name(self) -> str:
        """Base name of results: the video's name, portable and without suffix."""
        stem = self.path.resolve().stem.lstrip(".")
        readable = "".join(letter if letter.isprintable() else "_" for letter in stem)
        return readable.encode()[:LONGEST_NAME].decode(errors="ignore") or "video"

    def read(self, index: int) -> NDArray[np.uint8]:
        """Decode a frame, `H x W x 3`.

        Raises:
            MissingFrameError: the video file is damaged there.
        """
        with self._lock:  # decoders are not made for several threads
            return self.source.read(index)

    def is_missing(self, index: int) -> bool:
        """Tell whether a frame cannot be decoded: the video file is damaged there."""
        if isinstance(self.source, PictureFiles):
            return False
        try:
            self.read(index)
        except MissingFrameError:
            return True
        return False

    def jpeg(self, index: int, reduce: int = 1) -> bytes:
        """Return a frame as JPEG, `reduce` times smaller; raises InputError when it cannot be decoded."""
        picture = self.read(index)
        if reduce > 1:
            small = (max(1, self.size[1] // reduce), max(1, self.size[0] // reduce))
            picture = np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), np.uint8)
        return _encoded(picture)

    @property
    def thumbnail_size(self) -> tuple[int, int]:
        """Width and height of thumbnails."""
        height, width = self.size
        return max(1, round(width * THUMBNAIL_HEIGHT / height)), THUMBNAIL_HEIGHT

    def thumbnail_frames(self) -> list[int]:
        """Return the frames that have thumbnails."""
        count = min(THUMBNAILS, len(self))
        return [round(i * (len(self) - 1) / max(1, count - 1)) for i in range(count)]

    def write_thumbnail(self, index: int, path: Path) -> None:
        """Write a frame's thumbnail; one that cannot be decoded gets a grey one."""
        small = self.thumbnail_size
        try:
            picture = np.asarray(cv2.resize(self.read(index), small, interpolation=cv2.INTER_AREA), np.uint8)
        except InputError:
            picture = np.full((small[1], small[0], 3), 64, np.uint8)
        with atomic_path(path) as temporary:
            temporary.write_bytes(_encoded(picture))


def _encoded(picture: NDArray[np.uint8]) -> bytes:
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)
    return encoded.tobytes()


def _fingerprint(path: Path) -> str:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr(stats).encode()).hexdigest()[:16]
