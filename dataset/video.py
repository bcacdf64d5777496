"""A video for evaluation: frames in order, with masks on some of them, decoded on demand."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dataset.image_io import image_size, normalise
from dataset.masks.readers import read_label_map
from dataset.video_files.frame_source import FrameSource
from dataset.video_files.video_file import MissingFrameError
from util.background import prefetch
from util.errors import InputError

log = logging.getLogger(__name__)

FITTED_PIXELS = 2  # largest difference per side up to which a mask is resized to its frame, with a warning


@dataclass(frozen=True)
class Frame:
    """One decoded frame."""

    name: str  # file name of the result, without suffix
    image: Tensor  # 3 x h x w, normalised, at working size
    mask: Tensor | None  # h x w labels (uint8) given on this frame; None without
    picture: NDArray[np.uint8]  # H x W x 3, as read; the result has its size

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the original picture."""
        return self.picture.shape[0], self.picture.shape[1]


@dataclass(frozen=True)
class Video:
    """Frames with masks.

    Attributes:
        name: name of the video and of its folder of results.
        frames: frames from the first one with a mask on.
        masks: label maps given to the engine, by frame index.
        given_labels: labels that the engine gets from a frame's label map, by frame index; other labels are
            hidden. Frames without an entry give all labels.
        ground_truth: label maps to score against, by frame name; not every frame needs one.
        read_labels: function that reads a file of `masks` or `ground_truth` as labels `H x W`.
        palette: colours of the written masks, R G B R G B ...; None writes grey levels.
        short_side: shorter side of the frames for the network; None keeps their size.
        antialias: whether to filter before reducing. The published YouTubeVOS protocol does not.
        written: names of the frames that get a result; None for all. All frames are propagated through.
        pinned: whether images and masks are in page-locked memory, which a GPU copies asynchronously.
    """

    name: str
    frames: FrameSource
    masks: Mapping[int, Path]
    palette: list[int] | None
    given_labels: Mapping[int, frozenset[int]] = field(default_factory=dict)
    ground_truth: Mapping[str, Path] = field(default_factory=dict)
    read_labels: Callable[[Path], NDArray[np.uint8]] = read_label_map
    short_side: int | None = None
    antialias: bool = False
    written: frozenset[str] | None = None
    pinned: bool = False

    def __len__(self) -> int:
        return len(self.frames.names)

    @property
    def results(self) -> list[str]:
        """Names of the frames that get a result, in order."""
        return [name for name in self.frames.names if self.written is None or name in self.written]

    def check_apart(self, folder: Path) -> None:
        """Check that an output folder is not a folder of frames, masks or ground truth.

        Raises:
            InputError: the folder is one of them.
        """
        read = {path.parent for path in (*self.masks.values(), *self.ground_truth.values())}
        if folder.resolve() in {path.resolve() for path in (self.frames.place, *read)}:
            raise InputError(f"{folder} is where the frames or masks are read: give another --output.")

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order, decoded in the background, a few ahead.

        Frames that are missing in a damaged video file are left out.

        Raises:
            InputError: a missing frame has a mask, or see `read`.
        """
        frames = prefetch(self._read_if_whole, range(len(self)), threads=self.frames.threads)
        return (frame for frame in frames if frame is not None)

    def _read_if_whole(self, index: int) -> Frame | None:
        try:
            return self.read(index)
        except MissingFrameError as error:
            if index not in self.masks:
                return None
            raise InputError(f"{error} Give its mask {self.masks[index]} on another frame.") from error

    def read(self, index: int) -> Frame:
        """Decode one frame; raise InputError when it cannot be read or its mask does not fit."""
        picture = self.frames.read(index)
        size = (picture.shape[0], picture.shape[1])
        image = normalise(picture)
        mask = self._read_mask(index, size) if index in self.masks else None
        if self.short_side is not None:
            working = working_size(size, self.short_side)
            # after normalisation, as in the published YouTubeVOS protocol
            image = F.interpolate(
                image[None], working, mode="bicubic", align_corners=False, antialias=self.antialias
            )[0]
            if mask is not None:
                mask = reduce_labels(mask, working)
        if self.pinned:
            image, mask = image.pin_memory(), None if mask is None else mask.pin_memory()
        return Frame(self.frames.names[index], image, mask, picture)

    def read_given(self, index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Read the labels given on a frame of size (H, W), `H x W`.

        Raises:
            InputError: the mask cannot be read, or does not fit.
        """
        labels = self.read_labels(self.masks[index])
        if index in self.given_labels:
            given = np.isin(labels, list(self.given_labels[index]))
            labels = np.where(given, labels, np.zeros_like(labels))
        return fit_to_frame(labels, size, self.masks[index])

    def _read_mask(self, index: int, size: tuple[int, int]) -> Tensor:
        labels = self.read_given(index, size)
        path = self.masks[index]
        if (shape := image_size(path)) != size:
            log.warning("mask %s: fitted to the frame.", describe_sizes(path, shape, size))
        return torch.from_numpy(labels.copy())


def describe_sizes(path: Path, shape: tuple[int, int], size: tuple[int, int]) -> str:
    """Return the sizes (H, W) of a mask and its frame as text."""
    return f"{path} is {shape[1]} x {shape[0]}, its frame {size[1]} x {size[0]}"


def fits(shape: tuple[int, int], size: tuple[int, int]) -> bool:
    """Return whether a mask of (H, W) `shape` can be resized to a frame of (H, W) `size`."""
    return max(abs(shape[0] - size[0]), abs(shape[1] - size[1])) <= FITTED_PIXELS


def check_fit(path: Path, shape: tuple[int, int], size: tuple[int, int]) -> None:
    """Raise InputError when a mask of (H, W) `shape` cannot be resized to its frame."""
    if not fits(shape, size):
        raise InputError(f"mask {describe_sizes(path, shape, size)}: give a mask of the frame's size.")


def fit_to_frame(labels: NDArray[np.uint8], size: tuple[int, int], path: Path) -> NDArray[np.uint8]:
    """Resize labels `H x W` to their frame's size (H, W); raise InputError when they do not fit."""
    if labels.shape == size:
        return labels
    check_fit(path, (labels.shape[0], labels.shape[1]), size)
    return np.asarray(Image.fromarray(labels).resize((size[1], size[0]), Image.Resampling.NEAREST))


def reduce_labels(labels: Tensor, working: tuple[int, int]) -> Tensor:
    """Resize labels `H x W` to the working size (h, w), by nearest neighbour."""
    return F.interpolate(labels[None, None], working, mode="nearest")[0, 0]


def working_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Return (h, w) with the shorter side at `short_side` and the longer one scaled and truncated.

    This is the rule of torchvision's Resize, which the published YouTubeVOS evaluation uses.
    """
    height, width = size
    long_side = short_side * max(size) // min(size)
    return (short_side, long_side) if height <= width else (long_side, short_side)
