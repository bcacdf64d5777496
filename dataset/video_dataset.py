"""A user's video: a video file or a folder of pictures, with masks on some frames."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from dataset.image_io import IMAGE_SUFFIXES, list_images
from dataset.masks.readers import MASK_SUFFIXES
from dataset.masks.user_masks import UserLabels, pixel_counts
from dataset.video import Video, working_size
from dataset.video_checks import check_masks, frame_size, vanished, vanishing
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

    new = _new_objects(video(range(len(frames.names)), by_index, {}), size, masks)
    first, last = min(new), max(new)
    given = {index - first: mask for index, mask in by_index.items() if index >= first}
    forward = video(range(first, len(frames.names)), given, {})
    back = None
    if backward and last > 0:
        arriving = {last - index: by_index[index] for index in new}
        back = video(range(last, -1, -1), arriving, {last - index: new[index] for index in new})
    return UserVideo(frames, forward, back)


def _new_objects(video: Video, size: tuple[int, int], masks: Path) -> dict[int, frozenset[int]]:
    """Return for each frame the labels that it gives first; frames that give none have no entry.

    A frame does not give an object that vanishes at working size; a warning names it.

    Args:
        video: all frames, with all masks.
        size: (height, width) of the frames.
        masks: path of the masks, for the error message.

    Raises:
        InputError: no object is left.
    """
    known: set[int] = set()
    new: dict[int, frozenset[int]] = {}
    reasons: list[str] = []
    for index in sorted(video.masks):
        labels = video.read_given(index, size)
        lost = vanishing(labels, video.short_side, known)
        found = pixel_counts(labels).keys() - known - lost.keys()
        if lost and video.short_side is not None:
            reasons.append(vanished(video.masks[index], lost, working_size(size, video.short_side)))
            if found or new:
                log.warning("%s", reasons[-1])
        if found:
            new[index] = frozenset(found)
            known |= found
    if not new and reasons:
        raise InputError(f"there is no object to segment: {reasons[0]}")
    if not new:
        raise InputError(f"no mask of {masks} shows an object: paint each in a different label or colour.")
    return new


def _number(name: str) -> tuple[str, int] | None:
    """Split a name such as `shot 12` into text and the number at its end; None without a number."""
    match = re.fullmatch(r"(.*?)(\d+)", normalize("NFC", name), re.DOTALL)  # macOS decomposes letters
    return (match[1], int(match[2])) if match else None


def _assign_masks(masks: Path, names: Sequence[str], chosen: Sequence[int]) -> dict[int, Path]:
    """Return the mask files by position among the chosen frames.

    Numbers match with any count of leading zeros. Masks of frames that are not chosen are left out, with a
    note.

    Args:
        masks: picture, or folder of pictures.
        names: names of all frames of the source.
        chosen: indices of the chosen frames.

    Raises:
        InputError: there is no mask, a mask belongs to no frame, or two masks belong to one frame.
    """
    if masks.is_dir():
        index_of = _frames_by_name(names)
        listed = list_images(masks, MASK_SUFFIXES)
        # other files beside the masks are ignored, but masks in refused formats are errors
        files = [
            f for f in listed if f.suffix.lower() in IMAGE_SUFFIXES or _frame_of(f, index_of) is not None
        ]
        if not files:
            raise InputError(f"there are no masks in {masks}: it needs PNG files named after frames.")
    elif masks.is_file():
        return {_position_of_only(masks, names, chosen): masks}
    else:
        raise InputError(f"there is no mask and no folder of masks at {masks}.")
    strangers = [file.name for file in files if _frame_of(file, index_of) is None]
    if strangers:
        raise InputError(
            f"{strangers[0]} in {masks} ({len(strangers)} such) is not named after a chosen frame; "
            f"the names of the frames are {names[0]} to {names[-1]}."
        )
    position_of = {index: position for position, index in enumerate(chosen)}
    found: dict[int, Path] = {}
    left_out = []
    for file in files:
        index = _frame_of(file, index_of)
        position = None if index is None else position_of.get(index)
        if position is None:
            left_out.append(file.name)
        elif found.setdefault(position, file) != file:
            raise InputError(f"{found[position]} and {file.name} belong to the same frame: keep one of them.")
    if not found:
        raise InputError(
            f"none of the {len(files)} masks in {masks} belongs to a chosen frame: --start, --end, --every "
            f"choose {names[chosen[0]]} to {names[chosen[-1]]}."
        )
    if left_out:
        log.warning(
            "%d of the %d masks in %s belong to frames that are not chosen (%s is the first): left out.",
            *(len(left_out), len(files), masks, left_out[0]),
        )
    return found


def _frames_by_name(names: Sequence[str]) -> dict[str | tuple[str, int], int]:
    """Return the indices of frames by name, by its composed form, and by the result of `_number`."""
    found: dict[str | tuple[str, int], int] = {}
    for index, name in enumerate(names):
        number = _number(name)
        if number is not None:
            found[number] = index
    composed = {normalize("NFC", name): index for index, name in enumerate(names)}
    return found | composed | {name: index for index, name in enumerate(names)}


def _frame_of(mask: Path, index_of: Mapping[str | tuple[str, int], int]) -> int | None:
    keys = (mask.stem, normalize("NFC", mask.stem), _number(mask.stem))
    return next((index_of[key] for key in keys if key is not None and key in index_of), None)


def _position_of_only(mask: Path, names: Sequence[str], chosen: Sequence[int]) -> int:
    """Return the position of a single mask among the chosen frames: the first, unless its name says another.

    Raises:
        InputError: its name is a number that is not one of a chosen frame.
    """
    index_of = _frames_by_name(names)
    index = _frame_of(mask, index_of)
    number = _number(mask.stem)
    prefixes = {"", *(key[0] for key in index_of if isinstance(key, tuple))}
    if index is None and number is not None and number[0] in prefixes:
        raise InputError(
            f"mask {mask} is named after a frame that does not exist; the names are {names[0]} to "
            f"{names[-1]}: name it after its frame, or without a number for the first frame."
        )
    if index is None:
        return 0
    if index not in chosen:
        raise InputError(
            f"mask {mask} is named after frame {names[index]}, which --start, --end and --every leave out: "
            f"give a mask of {names[chosen[0]]}, or name it without a number."
        )
    return chosen.index(index)
