"""Fingerprints of a video's frames and given masks, by which runs recognise their input."""

import hashlib
import os

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
    sizes = [path.stat().st_size for path in paths]
    digest = hashlib.sha256(os.fsencode("\n".join(frames.names)))
    digest.update(str(sizes).encode())
    for path, size in {paths[0]: sizes[0], paths[-1]: sizes[-1]}.items():
        with path.open("rb") as file:
            digest.update(file.read(SAMPLE))
            file.seek(max(0, size - SAMPLE))
            digest.update(file.read(SAMPLE))
    return digest.hexdigest()[:DIGITS]


def masks_fingerprint(video: Video) -> str:
    """Return hexadecimal digits that change with the given masks: their frames, content and labels."""
    digest = hashlib.sha256()
    for index in sorted(video.masks):
        labels = sorted(video.given_labels.get(index, ()))
        digest.update(os.fsencode(f"{video.frames.names[index]}/{labels}/"))
        digest.update(hashlib.sha256(video.masks[index].read_bytes()).digest())
    return digest.hexdigest()[:DIGITS]
