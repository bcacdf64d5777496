"""Stage 0: samples of three frames, made by warping one picture and the mask of its object."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as F

from dataset.image_io import image_size, list_images, read_image
from dataset.masks.readers import read_soft_mask
from dataset.tps import fast_maps, random_control_points
from dataset.training.random_streams import SampleStreams
from dataset.training.sample import FRAMES, LEVELS, TRIED, Sample, soft_sample, stack_images, stack_masks
from dataset.training.transforms import (
    Adjustment,
    Affine,
    AffineRange,
    JitterRange,
    Matrix,
    Random,
    adjust,
    as_image,
    as_mask,
    pixels,
    remap,
    remap_bicubic,
    shift,
    shrunk,
    size_of,
    stretch,
    to_grey,
    varied,
    warp,
    zoomed_canvas,
)
from util.errors import InputError

log = logging.getLogger(__name__)

SHARED_SCALE = (0.8, 1.5)
SHARED_JITTER = JitterRange(0.1, 0.05, 0.05, 0.05)
GREY_CHANCE = 0.05
FRAME_AFFINE = AffineRange(degrees=20, shear=10, scale=(0.9, 1.1))
FRAME_JITTER = JitterRange(0.1, 0.05, 0.05)
WARP_CHANCE = 1 / 3

MASK_SUFFIX = ".png"
ASPECT_TOLERANCE = 0.02  # a mask may have another resolution than its picture, but not another aspect ratio


@dataclass(frozen=True)
class FrameDraw:
    """Random parameters of one frame: affine, crop, jitter, and possibly a thin-plate-spline warp."""

    affine: Affine
    crop: tuple[float, float]  # position between top and bottom, left and right; 0 to 1
    jitter: list[Adjustment]
    control_points: tuple[NDArray[np.float64], NDArray[np.float64]] | None


@dataclass(frozen=True)
class StaticDraw:
    """Random parameters of a sample: scale, flip, jitter and grey, then those of each frame."""

    scale: float
    flip: bool
    jitter: list[Adjustment]
    grey: bool
    frames: list[FrameDraw]


def draw(random: Random) -> StaticDraw:
    """Draw the random parameters of a sample."""
    return StaticDraw(
        random.uniform(*SHARED_SCALE),
        random.random() < 0.5,
        SHARED_JITTER.draw(random),
        random.random() < GREY_CHANCE,
        [
            FrameDraw(
                FRAME_AFFINE.draw(random),
                (random.random(), random.random()),
                FRAME_JITTER.draw(random),
                random_control_points(random) if random.random() < WARP_CHANCE else None,
            )
            for _ in range(FRAMES)
        ],
    )


class StaticDataset(Dataset[Sample]):
    """Pictures with one object each.

    Affine, resize and crop are one interpolation, and a picture is decoded no larger than needed. Masks keep
    the grey levels of the file and of the bicubic interpolation. The network's input has them; the loss and
    the metrics use a threshold of one half.

    Args:
        pictures: (picture, mask) paths, see `flat_folder` and `class_folders`. A pair listed twice is drawn
            twice per epoch.
        crop_size: side of the frames in pixels.
        seed: seed of the run.
    """

    def __init__(self, pictures: Sequence[tuple[Path, Path]], crop_size: int = 384, seed: int = 0) -> None:
        self.pictures = list(pictures)
        self.crop_size = crop_size
        self.streams = SampleStreams(seed)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which changes the samples; call it between epochs."""
        self.streams.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample; raise InputError when a file cannot be read or the mask does not fit."""
        path, mask_path = self.pictures[index]
        drawn = draw(self.streams.generator(index))
        mask = as_mask(read_soft_mask(mask_path))
        _check_shapes(path, mask_path, size_of(mask))
        # the picture may be a little larger than the crop, since the frame's affine may enlarge it
        short_side = round(self.crop_size * FRAME_AFFINE.scale[1])
        image = as_image(read_image(path, short_side=round(short_side * max(1, drawn.scale))))

        if drawn.flip:
            image, mask = F.horizontal_flip(image), F.horizontal_flip(mask)
        canvas = (image.shape[-2] / drawn.scale, image.shape[-1] / drawn.scale)
        image, image_place = zoomed_canvas(image, drawn.scale)
        image, unshrink = shrunk(image, short_side)
        levels = pixels(warp(mask, Affine(0, drawn.scale, 0).matrix(*size_of(mask)), size_of(mask)))
        where_varied = varied(levels)
        image = adjust(image, drawn.jitter)
        if drawn.grey:
            image = to_grey(image)

        size = (self.crop_size, self.crop_size)
        images, masks = [], []
        for frame in drawn.frames:
            matrix = frame_matrix(canvas, frame, self.crop_size) @ image_place @ unshrink
            images.append(adjust(warp(image, matrix, size), frame.jitter))
            masks.append(as_mask(frame_mask(levels, where_varied, frame, self.crop_size)))
            if frame.control_points is not None:
                maps = fast_maps(*frame.control_points, *size)
                images[-1], masks[-1] = remap(images[-1], maps), remap(masks[-1], maps)
        return soft_sample(stack_images(images), stack_masks(masks), path.name)


def frame_matrix(canvas: tuple[float, float], frame: FrameDraw, crop_size: int) -> Matrix:
    """Return affine, resize to a shorter side of `crop_size`, and crop as one matrix.

    Args:
        canvas: (height, width) of the affine's input; they need not be whole numbers.
        frame: random parameters of the frame.
        crop_size: side of the result in pixels.
    """
    height, width = canvas
    factor = crop_size / min(canvas)
    top = frame.crop[0] * (height * factor - crop_size)
    left = frame.crop[1] * (width * factor - crop_size)
    return shift(-left, -top) @ stretch(factor, factor) @ frame.affine.matrix(height, width)


def frame_mask(
    levels: NDArray[np.uint8], where_varied: NDArray[np.uint8], frame: FrameDraw, crop_size: int
) -> NDArray[np.uint8]:
    """Return a frame's mask: affine (bicubic), resize to a shorter side of `crop_size` (nearest), and crop.

    Only pixels of the result are interpolated, with the values that the separate steps would give.

    Args:
        levels: mask of the scaled canvas, `H x W`.
        where_varied: result of `varied(levels)`.
        frame: random parameters of the frame.
        crop_size: side of the result in pixels.
    """
    height, width = levels.shape
    inverse = np.linalg.inv(frame.affine.matrix(height, width))
    step = min(height, width) / crop_size  # canvas pixels per pixel of the result
    rows, columns = (
        np.floor((np.arange(crop_size) + 0.5) * step + place * (length - crop_size * step)) + 0.5
        for place, length in zip(frame.crop, (height, width), strict=True)
    )
    x, y = (
        (row[0] * columns + (row[1] * rows + row[2] - 0.5)[:, None]).astype(np.float32) for row in inverse[:2]
    )
    return remap_bicubic(levels, where_varied, x, y)


def flat_folder(folder: Path) -> list[tuple[Path, Path]]:
    """Return the pairs of `x.jpg` (or another format except PNG) and `x.png` in a folder.

    A PNG without a picture is left out, with a warning.

    Raises:
        InputError: a picture has no mask.
    """
    files = list_images(folder)
    pictures = [path for path in files if path.suffix.lower() != MASK_SUFFIX]
    pairs = [(path, path.with_suffix(MASK_SUFFIX)) for path in pictures]
    paired = {path.stem for path in pictures}
    alone = [path for path in files if path.stem not in paired]
    if alone:
        log.warning(
            "%s and %d more PNGs have no picture beside them and are not used: a PNG is the mask of a "
            "picture in another format, so save pictures as JPEG.",
            *(alone[0], len(alone) - 1),
        )
    for path, mask in pairs:
        if not mask.is_file():
            raise InputError(f"{path} has no mask: put {mask.name} beside it, or remove the picture.")
    return pairs


def class_folders(folder: Path) -> list[tuple[Path, Path]]:
    """Return the pairs of `flat_folder` for every folder in a folder."""
    return [pair for inner in sorted(folder.iterdir()) if inner.is_dir() for pair in flat_folder(inner)]


def check_objects(pairs: Sequence[tuple[Path, Path]], folder: Path) -> None:
    """Check that some mask of a folder shows an object; at most `TRIED` masks, evenly spread, are read.

    Raises:
        InputError: all of them are empty.
    """
    tried = min(TRIED, len(pairs))
    masks = [pairs[number * len(pairs) // tried][1] for number in range(tried)]
    if masks and not any(map(_may_show_object, masks)):
        raise InputError(
            f"there is nothing to train on in {folder}: of its {len(pairs)} masks {tried} were read, evenly "
            f"spread, and all are empty ({masks[0].name} is one): paint what is to be learnt, in white."
        )


def _may_show_object(mask: Path) -> bool:
    try:
        return bool(read_soft_mask(mask).max() > LEVELS // 2)
    except InputError:  # a damaged mask is an error when it is drawn
        return True


def _check_shapes(path: Path, mask_path: Path, mask: tuple[int, int]) -> None:
    height, width = image_size(path)
    if abs(mask[0] * width / (mask[1] * height) - 1) > ASPECT_TOLERANCE:
        raise InputError(
            f"mask {mask_path} is {mask[1]} x {mask[0]}, its picture {path} {width} x {height}: "
            "give a mask of the same shape."
        )
