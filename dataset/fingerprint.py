"""Short texts that tell one video's frames and given masks from another's."""

import hashlib
import os
from pathlib import Path

from dataset.image_io import list_images
from dataset.video import Video
from dataset.video_files.frame_source import FrameSource

SAMPLE = 1 << 20  # bytes read of each end of a file
DIGITS = 16


def frames_fingerprint(frames: FrameSource) -> str:
    """Return hexadecimal digits that change with the frames.

    Hours of video are not read for it: the names and sizes in bytes of all pictures count and the content of
    the first and the last one, or of a video file its size and both its ends.
    """
    digest = hashlib.sha256()
    if frames.place.is_dir():
        files = {path.stem: path for path in list_images(frames.place)}
        chosen = [files[name] for name in frames.names]
        for name, path in zip(frames.names, chosen, strict=True):
            digest.update(os.fsencode(f"{name}/{path.stat().st_size}\n"))
        ends = [chosen[0], chosen[-1]] if chosen else []
    else:
        digest.update("".join(f"{name}\n" for name in frames.names).encode())
        ends = [frames.place]
    for path in ends:
        digest.update(_sample(path))
    return digest.hexdigest()[:DIGITS]


def masks_fingerprint(video: Video) -> str:
    """Return hexadecimal digits that change with the masks given: their frames, content and chosen labels."""
    digest = hashlib.sha256()
    for index in sorted(video.masks):
        labels = sorted(video.given_labels.get(index, ()))
        digest.update(os.fsencode(f"{video.frames.names[index]}/{labels}/"))
        digest.update(hashlib.sha256(video.masks[index].read_bytes()).digest())
    return digest.hexdigest()[:DIGITS]


def _sample(path: Path) -> bytes:
    """Return the size of a file and its first and last megabyte."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(SAMPLE)
        file.seek(max(0, size - SAMPLE), os.SEEK_SET)
        return f"{size}/".encode() + head + file.read(SAMPLE)
