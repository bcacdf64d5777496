"""Any video with masks on some of its frames, as a user has them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.frame_source import FrameSource, Selection, open_source
from dataset.image_io import list_images, read_colours, read_label_map, read_palette
from dataset.video import Video
from util.errors import InputError
from util.palette import voc_palette

log = logging.getLogger(__name__)


MANY_OBJECTS = 50  # in one mask, more are rather shades than objects
read_user_labels = partial(read_label_map, lone_void=True)


@dataclass(frozen=True)
class ColourLabels:
    """Reads masks whose objects are marked by colour; each colour is one label in all masks.

    Attributes:
        colours: packed colours (R * 65536 + G * 256 + B) of labels 1, 2, ...
    """

    colours: tuple[int, ...]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "ColourLabels":
        """Number the colours of all masks in order of appearance, within a mask by value.

        Raises:
            InputError: there are more than 255 of them.
        """
        found: dict[int, None] = {}
        for path in paths:
            found |= dict.fromkeys(np.unique(_packed_colours(path)).tolist())
            if len(found) > 256:
                raise InputError(
                    f"{path} brings the number of colours above 255, and each is an object: "
                    "draw masks without soft edges, and save them without JPEG compression."
                )
        return cls(tuple(colour for colour in found if colour != 0))

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """Read a mask as labels `H x W`; black is background."""
        packed = _packed_colours(path)
        labels = np.zeros(packed.shape, np.uint8)
        for label, colour in enumerate(self.colours, start=1):
            labels[packed == colour] = label
        return labels

    @property
    def palette(self) -> list[int]:
        """The colours as a palette, so that results look like the masks given."""
        listed = [channel for c in (0, *self.colours) for channel in (c >> 16, c >> 8 & 255, c & 255)]
        return listed + voc_palette()[len(listed) :]


def _packed_colours(path: Path) -> NDArray[np.uint32]:
    """Read a mask as packed colours `H x W`, whatever its mode."""
    colours = read_colours(path)
    if colours is None:
        palette = np.array(read_palette(path) or voc_palette(), np.uint8)
        table = np.zeros((256, 3), np.uint8)
        table[: len(palette) // 3] = palette.reshape(-1, 3)
        colours = table[read_user_labels(path)]
    red, green, blue = np.moveaxis(colours.astype(np.uint32), -1, 0)
    return red << 16 | green << 8 | blue


@dataclass(frozen=True)
class UserVideo:
    """What `propagate_video` works on.

    Attributes:
        frames: all chosen frames, in order.
        forward: from the first labelled frame to the end.
        backward: from the first labelled frame to the start; None when it is not asked for or the
            first frame is labelled.
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
    """Find the frames and masks of a user's video.

    Args:
        path: a video file or a folder of pictures.
        masks: one picture, or a folder of pictures named after the frames they belong to. One
            picture whose name is no frame's belongs to the first chosen frame.
        short_side: frames with a larger shorter side are reduced to it for the network.
        start: first frame.
        end: frame after the last; None for all.
        every: take every n-th frame.
        backward: also go back from the first labelled frame.

    Raises:
        InputError: nothing to read, no frame chosen, a mask that belongs to none of them, or no object.
    """
    source = open_source(path)
    indices = range(start, len(source.names) if end is None else min(end, len(source.names)), every)
    if not indices:
        raise InputError(
            f"--start {start} --end {end} leaves none of the {len(source.names)} frames of {path}."
        )
    frames = Selection(source, indices, fps=source.fps / every)
    by_index = _assign_masks(masks, frames.names)
    paths = [by_index[index] for index in sorted(by_index)]
    colours = ColourLabels.of(paths) if any(read_colours(p) is not None for p in paths) else None
    read_labels = colours or read_user_labels
    with_objects = (index for index in sorted(by_index) if read_labels(by_index[index]).any())
    first = next(with_objects, None)
    if first is None:
        raise InputError(f"no mask of {masks} shows an object: paint each with a label or colour of its own.")
    given = {index: mask for index, mask in by_index.items() if index >= first}
    objects = np.count_nonzero(np.bincount(read_labels(by_index[first]).flatten())[1:])
    if objects > MANY_OBJECTS:
        log.warning(
            "mask %s has %d labels, and each is an object: if that is too many, draw it without soft edges.",
            *(by_index[first], objects),
        )
    height, width, _ = frames.read(first).shape

    def video(order: Sequence[int], given: dict[int, Path]) -> Video:
        return Video(
            name=path.stem,
            frames=Selection(frames, order),
            masks=given,
            palette=colours.palette if colours else read_palette(paths[0]) or voc_palette(),
            read_labels=read_labels,
            short_side=short_side if min(height, width) > short_side else None,
            antialias=True,
        )

    forward = video(range(first, len(frames.names)), {i - first: given[i] for i in given})
    back = video(range(first, -1, -1), {0: by_index[first]}) if backward and first > 0 else None
    return UserVideo(frames, forward, back)


def _assign_masks(masks: Path, names: Sequence[str]) -> dict[int, Path]:
    """Return the mask files by frame index; a number finds its frame with any count of zeros."""
    index_of = {name: index for index, name in enumerate(names)}
    index_of |= {str(int(name)): index for index, name in enumerate(names) if name.isdecimal()}

    def frame_of(path: Path) -> int | None:
        stem = path.stem
        return index_of.get(stem, index_of.get(str(int(stem))) if stem.isdecimal() else None)

    if masks.is_dir():
        files = list_images(masks)
        if not files:
            raise InputError(f"there are no masks in {masks}: it needs PNG files named after frames.")
    elif masks.is_file():
        return {frame_of(masks) or 0: masks}
    else:
        raise InputError(f"there is no mask and no folder of masks at {masks}.")
    strangers = [path.name for path in files if frame_of(path) is None]
    if strangers:
        raise InputError(
            f"{strangers[0]} in {masks} ({len(strangers)} such) is not named after a chosen frame; "
            f"these are called {names[0]} to {names[-1]}."
        )
    found: dict[int, Path] = {}
    for path in files:
        index = frame_of(path)
        if index is not None and found.setdefault(index, path) != path:
            raise InputError(f"{found[index]} and {path.name} belong to the same frame: keep one of them.")
    return found
