"""A video as evaluation sees it: frames in order, and masks on some of them, decoded when asked for."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dataset.image_io import normalise, read_image, read_label_map, read_palette
from util.errors import InputError

log = logging.getLogger(__name__)

FITTED_PIXELS = 2  # a mask that differs from its frame by no more is fitted to it, with a warning


@dataclass(frozen=True)
class Frame:
    """One decoded frame."""

    name: str  # file name stem of the result
    image: Tensor  # 3 x h x w, normalised, at working size
    mask: Tensor | None  # h x w labels (uint8) given on this frame
    picture: NDArray[np.uint8]  # H x W x 3, as read; its size is the size of the result

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the original picture."""
        return self.picture.shape[0], self.picture.shape[1]


@dataclass(frozen=True)
class Video:
    """A folder of frames with masks.

    Attributes:
        name: folder name of the results.
        frames: pictures in order, from the first frame that has a mask on.
        masks: label maps given to the engine, by frame index.
        ground_truth: label maps to score against, by frame name; they may be sparse.
        short_side: resize frames so that their shorter side has this many pixels; None keeps them.
        merge_labels: all labels above 0 are one object, written as 255.
    """

    name: str
    frames: Sequence[Path]
    masks: Mapping[int, Path]
    ground_truth: Mapping[str, Path] = field(default_factory=dict)
    short_side: int | None = None
    merge_labels: bool = False

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Frame:
        """Decode one frame; raises InputError when it cannot be read or its mask does not fit."""
        path = self.frames[index]
        picture = read_image(path)
        size = (picture.shape[0], picture.shape[1])
        image = normalise(picture)
        mask = self._read_mask(self.masks[index], path, size) if index in self.masks else None
        if self.short_side is not None:
            working = working_size(size, self.short_side)
            # no antialias, after normalisation: the published YouTubeVOS protocol
            image = F.interpolate(image[None], working, mode="bicubic", align_corners=False)[0]
            if mask is not None:
                mask = F.interpolate(mask[None, None], working, mode="nearest")[0, 0]
        return Frame(path.stem, image, mask, picture)

    @property
    def palette(self) -> list[int] | None:
        """The palette of the first mask, if it has one; None for merged labels."""
        return None if self.merge_labels else read_palette(self.masks[min(self.masks)])

    def _read_mask(self, path: Path, frame: Path, size: tuple[int, int]) -> Tensor:
        labels = read_label_map(path, self.merge_labels)
        if labels.shape != size:
            difference = max(abs(labels.shape[0] - size[0]), abs(labels.shape[1] - size[1]))
            sizes = (
                f"{path} is {labels.shape[1]} x {labels.shape[0]}, its frame {frame} {size[1]} x {size[0]}"
            )
            if difference > FITTED_PIXELS:
                raise InputError(f"mask {sizes}: give a mask of the frame's size.")
            log.warning("mask %s: fitted to the frame.", sizes)
            resized = Image.fromarray(labels).resize((size[1], size[0]), Image.Resampling.NEAREST)
            return torch.from_numpy(np.asarray(resized).copy())
        return torch.from_numpy(labels.copy())


def working_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Return (h, w) with the shorter side at `short_side` and the aspect kept."""
    height, width = size
    scale = short_side / min(height, width)
    return round(height * scale), round(width * scale)
