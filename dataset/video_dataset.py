"""A user's video: a video file or a folder of pictures, with masks on some frames."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from dataset.image_io import IMAGE_SUFFIXES, list_images
from dataset.masks.readers import MASK_SUFFIXES
from dataset.masks.user_masks import UserLabels
from dataset.video import Video
from dataset.video_checks import check_masks, find_new_objects, frame_size
from dataset.video_files.frame_source import FrameSource, Selection, open_source
from util.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UserVideo:
    """The chosen frames of a video, and the passes of `propagate_video` over them.

    Attributes:
        frames: all chosen frames, in order.
        forward: frames from the first one with a mask to the end.
        backward: frames from the last one that gives a new object to the start, with each object's first mask
            (see `Video.given_labels`); None when it is not requested, or when the first frame gives all
            objects.
    """

    frames: FrameSource
    forward: Video
    backward: Video | None


def open_user_video(
    path: Path,
    masks: Path,
    *,
    short_side: int,
    start: int = 0,
    end: int | None = None,
    every: int = 1,
    backward: bool = False,
) -> UserVideo:
    """Find the frames and masks of a user's video, and check them.

    Args:
        path: video file or folder of pictures.
        masks: one picture, or a folder of pictures named after their frames. A single picture whose name is
            not a number belongs to the first chosen frame.
        short_side: limit of the shorter side for the network; larger frames are reduced to it.
        start: index of the first frame.
        end: index after the last frame; None for all.
        every: step between chosen frames.
        backward: whether to prepare the pass backward.

    Raises:
        InputError: there are no frames, no frame is chosen, frames differ in size, a mask belongs to no frame
            or does not fit its frame, or there is no object.
    """
    source = open_source(path)
    indices = range(start, len(source.names) if end is None else min(end, len(source.names)), every)
    if not indices:
        raise InputError(
            f"--start {start} --end {end} leaves none of the {len(source.names)} frames of {path}."
        )
    frames = Selection(source, indices, fps=source.fps / every)
    by_index = _assign_masks(masks, source.names, indices)
    size = frame_size(frames, path.name)
    check_masks(by_index.values(), size)
    read_labels = UserLabels.of([by_index[index] for index in sorted(by_index)])
    reduce_to = short_side if min(size) > short_side else None

    def video(order: Sequence[int], given: Mapping[int, Path], only: Mapping[int, frozenset[int]]) -> Video:
        return Video(
            name=path.stem,
            frames=Selection(frames, order),
            masks=given,
            given_labels=only,
            palette=read_labels.palette,
            read_labels=read_labels,
            short_side=reduce_to,
            antialias=True,
        )

    new = find_new_objects(video(range(len(frames.names)), by_index, {}), size)
    if not new:
        raise InputError(
            f"no mask of {masks} shows an object to segment: paint each in a different label or colour."
        )
    first, last = min(new), max(new)
    given = {index - first: mask for index, mask in by_index.items() if index >= first}
    forward = video(range(first, len(frames.names)), given, {})
    back = None
    if backward and last > 0:
        arriving = {last - index: by_index[index] for index in new}
        back = video(range(last, -1, -1), arriving, {last - index: new[index] for index in new})
    return UserVideo(frames, forward, back)


def _key(name: str) -> tuple[str, int]:
    """Split a name such as `shot 12` into its text and the number at its end; -1 without a number."""
    composed = normalize("NFC", name)  # macOS decomposes letters
    text = re.sub(r"\d+$", "", composed)
    return text, int(composed[len(text) :] or -1)


def _assign_masks(masks: Path, names: Sequence[str], chosen: Sequence[int]) -> dict[int, Path]:
    """Return the mask files by position among the chosen frames.

    A mask belongs to the frame of its name, in any Unicode form and with any count of leading zeros. A single
    mask whose name is no number belongs to the first chosen frame. Masks of frames that are not chosen
    are left out, with a warning.

    Args:
        masks: picture, or folder of pictures.
        names: names of all frames of the source.
        chosen: indices of the chosen frames.

    Raises:
        InputError: there is no mask, a mask belongs to no frame, or two masks belong to one frame.
    """
    by_name = {normalize("NFC", name): index for index, name in enumerate(names)}
    by_number = {_key(name): index for index, name in enumerate(names)}

    def frame_of(mask: Path) -> int | None:
        return by_name.get(normalize("NFC", mask.stem), by_number.get(_key(mask.stem)))

    if masks.is_file():
        text, number = _key(masks.stem)
        numbered = number >= 0 and text in {"", *(text for text, _ in by_number)}
        if frame_of(masks) is None and not numbered:
            return {0: masks}
        files = [masks]
    elif masks.is_dir():
        listed = list_images(masks, MASK_SUFFIXES)
        # other files beside the masks are ignored, but masks in refused formats are errors
        files = [f for f in listed if f.suffix.lower() in IMAGE_SUFFIXES or frame_of(f) is not None]
        if not files:
            raise InputError(f"there are no masks in {masks}: it needs PNG files named after frames.")
    else:
        raise InputError(f"there is no mask and no folder of masks at {masks}.")
    found: dict[int, Path] = {}
    for file in files:
        index = frame_of(file)
        if index is None:
            raise InputError(
                f"{file} is not named after a frame; the frames are named {names[0]} to {names[-1]}."
            )
        if found.setdefault(index, file) != file:
            raise InputError(f"{found[index]} and {file.name} belong to the same frame: keep one of them.")
    position_of = {index: position for position, index in enumerate(chosen)}
    left_out = [file for index, file in found.items() if index not in position_of]
    if len(left_out) == len(files):
        raise InputError(
            f"{left_out[0]} belongs to no chosen frame (masks without a chosen frame: {len(left_out)}): "
            f"--start, --end, --every choose {names[chosen[0]]} to {names[chosen[-1]]}."
        )
    if left_out:
        log.warning(
            "%d of the %d masks in %s belong to frames that are not chosen (%s is the first): left out.",
            *(len(left_out), len(files), masks, left_out[0].name),
        )
    return {position_of[index]: file for index, file in found.items() if index in position_of}
