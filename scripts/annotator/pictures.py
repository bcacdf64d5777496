"""Frames as pictures for the page: decoded when asked for, within bounds of memory."""

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.frame_source import FrameSource, open_source
from util.errors import InputError
from util.files import atomic_path

JPEG_QUALITY = 92
HELD_BYTES = 1 << 26  # of JPEG, in memory
THUMBNAIL_HEIGHT = 54
THUMBNAILS = 48  # of a video, evenly spaced


class Pictures:
    """The frames of a video; may be used from several threads.

    Args:
        path: a video file or a folder of pictures.

    Attributes:
        size: (H, W).
        fingerprint: changes when the file or folder does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source: FrameSource = open_source(path)
        self.fingerprint = _fingerprint(path)
        self._lock = threading.Lock()
        self._jpegs: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self.size: tuple[int, int] = self.read(0).shape[:2]

    def __len__(self) -> int:
        return len(self.source.names)

    def read(self, index: int) -> NDArray[np.uint8]:
        """Decode a frame, `H x W x 3`.

        Raises:
            InputError: it cannot be decoded, or is of another size than the first.
        """
        with self._lock:  # decoders are not made for several threads
            picture = self.source.read(index)
        if index > 0 and picture.shape[:2] != self.size:
            raise InputError(
                f"frame {self.source.names[index]} is {picture.shape[1]} x {picture.shape[0]}, the first "
                f"{self.size[1]} x {self.size[0]}: frames must have one size."
            )
        return picture

    def jpeg(self, index: int, reduce: int = 1) -> bytes:
        """Return a frame as JPEG, `reduce` times smaller; raises InputError when it cannot be decoded."""
        key = (index, reduce)
        held = self._jpegs.get(key)
        if held is not None:
            return held
        picture = self.read(index)
        if reduce > 1:
            small = (max(1, self.size[1] // reduce), max(1, self.size[0] // reduce))
            picture = np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), np.uint8)
        encoded = _encoded(picture)
        with self._lock:
            self._jpegs[key] = encoded
            while len(self._jpegs) > 1 and sum(map(len, self._jpegs.values())) > HELD_BYTES:
                self._jpegs.popitem(last=False)
        return encoded

    def thumbnail_frames(self) -> list[int]:
        """Return the frames that have thumbnails."""
        count = min(THUMBNAILS, len(self))
        return [round(i * (len(self) - 1) / max(1, count - 1)) for i in range(count)]

    def write_thumbnail(self, index: int, path: Path) -> None:
        """Write a frame's thumbnail; one that cannot be decoded gets a grey one."""
        height, width = self.size
        small = (max(1, round(width * THUMBNAIL_HEIGHT / height)), THUMBNAIL_HEIGHT)
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
