"""Checks of a video before the work: sizes, from file headers, and objects that vanish at working size."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dataset.image_io import image_size, picture_size
from dataset.masks.user_masks import count_pixels
from dataset.video import Video, check_fit, describe_sizes, reduce_labels, working_size
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
                "%s: ground truth %s (files of another size: %d): resized to the frames for the score.",
                *(video.name, describe_sizes(others[0], image_size(others[0]), size), len(others)),
            )
    find_new_objects(video, size)


def find_new_objects(video: Video, size: tuple[int, int]) -> dict[int, frozenset[int]]:
    """Return for each frame the objects that it gives first; frames that give none have no entry.

    A frame does not give an object without a pixel at working size; a warning names it.

    Args:
        video: frames with given masks.
        size: (height, width) of the frames.
    """
    known: set[int] = set()
    new: dict[int, frozenset[int]] = {}
    for index in sorted(video.masks):
        labels = video.read_given(index, size)
        left = labels
        if video.short_side is not None:
            working = working_size(size, video.short_side)
            left = reduce_labels(torch.from_numpy(labels.copy()), working).numpy()
        counts, found = count_pixels(labels), count_pixels(left).keys() - known
        if lost := [f"{each} ({counts[each]} px)" for each in counts if each not in found | known]:
            log.warning(
                "mask %s: no pixel is left of object %s when frames are reduced to %d x %d for the network, "
                "so it is not segmented: use a larger size.",
                *(video.masks[index], ", ".join(lost), working[1], working[0]),
            )
        if found:
            new[index] = frozenset(found)
            known |= found
    return new


def frame_size(frames: FrameSource, name: str) -> tuple[int, int]:
    """Return (height, width) of frames; picture files are compared by their headers.

    Raises:
        InputError: a picture cannot be read, or pictures differ in size.
    """
    files = picture_files(frames)
    if files is None:  # a video file has one size
        height, width, _ = read_first_frame(frames).shape
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


def read_first_frame(frames: FrameSource) -> NDArray[np.uint8]:
    """Return the first frame `H x W x 3` that can be decoded; raise InputError when none can."""
    for index in range(len(frames.names) - 1):
        with suppress(MissingFrameError):
            return frames.read(index)
    return frames.read(len(frames.names) - 1)


def check_masks(paths: Iterable[Path], size: tuple[int, int]) -> None:
    """Check by their headers that masks fit frames of size (height, width); raise InputError otherwise."""
    for path in paths:
        check_fit(path, image_size(path), size)
