"""Fingerprints of a video's frames and given masks, by which runs recognise their input."""

import hashlib
import os
from pathlib import Path

from dataset.video import Video
from dataset.video_files.frame_source import FrameSource, picture_files

SAMPLE = 1 << 20  # bytes read at each end of a file
DIGITS = 16


def frames_fingerprint(frames: FrameSource) -> str:
    """Return hexadecimal digits that change with the frames.

    They depend on the names, on the sizes of all files, and on the content of the two ends of the first and
    last file.
    """
    pictures = picture_files(frames)
    paths = [frames.place] if pictures is None else list(pictures.paths)
    digest = hashlib.sha256(os.fsencode("\n".join(frames.names)))
    digest.update(str([path.stat().st_size for path in paths]).encode())
    for path in {paths[0]: None, paths[-1]: None}:
        digest.update(_ends(path))
    return digest.hexdigest()[:DIGITS]


def masks_fingerprint(video: Video) -> str:
    """Return hexadecimal digits that change with the given masks: their frames, content and labels."""
    digest = hashlib.sha256()
    for index in sorted(video.masks):
        labels = sorted(video.given_labels.get(index, ()))
        digest.update(os.fsencode(f"{video.frames.names[index]}/{labels}/"))
        digest.update(hashlib.sha256(video.masks[index].read_bytes()).digest())
    return digest.hexdigest()[:DIGITS]


def _ends(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(SAMPLE)
        file.seek(max(0, path.stat().st_size - SAMPLE))
        return head + file.read(SAMPLE)
