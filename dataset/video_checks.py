"""Checks of a video before the work: sizes, from file headers, and objects that vanish at working size."""

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dataset.image_io import image_size, picture_size
from dataset.masks.user_masks import pixel_counts
from dataset.video import Video, check_fit, reduced, sizes_of, working_size
from dataset.video_files.frame_source import FrameSource, picture_files
from dataset.video_files.video_file import MissingFrameError
from util.errors import InputError

log = logging.getLogger(__name__)


def check_video(video: Video, scored: bool = False) -> None:
    """Check the sizes of frames and masks, and warn of objects that vanish at working size.

    Args:
        video: frames and given masks.
        scored: whether to check the ground truth as well.

    Raises:
        InputError: a picture or mask cannot be read, pictures differ in size, or a mask does not fit its
            frame.
    """
    size = frame_size(video.frames, video.name)
    check_masks(video.masks.values(), size)
    if scored:
        names = set(video.frames.names)
        truth = [path for name, path in video.ground_truth.items() if name in names]
        others = [path for path in truth if image_size(path) != size]
        check_masks(others, size)
        if others:
            log.warning(
                "%s: ground truth %s (%d such): fitted to the frames for the score.",
                *(video.name, sizes_of(others[0], image_size(others[0]), size), len(others)),
            )
    known: set[int] = set()  # an object counts as lost only where it is first given
    for index in sorted(video.masks):
        labels = video.read_given(index, size)
        lost = vanishing(labels, video.short_side, known)
        if lost and video.short_side is not None:
            log.warning("%s", vanished(video.masks[index], lost, working_size(size, video.short_side)))
        known |= pixel_counts(labels).keys()


def frame_size(frames: FrameSource, name: str) -> tuple[int, int]:
    """Return (height, width) of frames; picture files are compared by their headers.

    Raises:
        InputError: a picture cannot be read, or pictures differ in size.
    """
    files = picture_files(frames)
    if files is None:  # a video file has one size
        height, width, _ = first_readable(frames).shape
        return height, width
    first = picture_size(files.paths[0], files.upright)
    for frame, path in zip(files.names, files.paths, strict=True):
        size = picture_size(path, files.upright)
        if size != first:
            raise InputError(
                f"{name}, {frame}: a frame is {size[1]} x {size[0]}, those before it {first[1]} x {first[0]}"
                ": bring all to one size."
            )
    return first


def first_readable(frames: FrameSource) -> NDArray[np.uint8]:
    """Return the first frame `H x W x 3` that can be decoded; raise InputError when none can."""
    for index in range(len(frames.names) - 1):
        with suppress(MissingFrameError):
            return frames.read(index)
    return frames.read(len(frames.names) - 1)


def check_masks(paths: Iterable[Path], size: tuple[int, int]) -> None:
    """Check by their headers that masks fit frames of size (height, width); raise InputError otherwise."""
    for path in paths:
        check_fit(path, image_size(path), size)


def vanishing(labels: NDArray[np.uint8], short_side: int | None, known: Collection[int]) -> dict[int, int]:
    """Return the objects without a pixel at working size, and their number of pixels at full size.

    Args:
        labels: labels given on a frame, `H x W`.
        short_side: shorter side of the frames for the network, see `Video`.
        known: objects that earlier frames gave, which are left out.
    """
    if short_side is None:
        return {}
    working = working_size((labels.shape[0], labels.shape[1]), short_side)
    left = pixel_counts(reduced(torch.from_numpy(labels.copy()), working).numpy())
    return {n: count for n, count in pixel_counts(labels).items() if n not in left and n not in known}


def vanished(path: Path, lost: Mapping[int, int], working: tuple[int, int]) -> str:
    """Return a sentence on objects that vanish at working size (h, w), with their pixels."""
    objects = ", ".join(f"{label} ({count} px)" for label, count in lost.items())
    return (
        f"mask {path}: no pixel is left of object {objects} when frames are reduced to "
        f"{working[1]} x {working[0]} for the network, so it is not segmented: use a larger size."
    )
