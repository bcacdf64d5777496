"""Stage 0: samples of three frames, made by warping one picture and the mask of its object."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dataset.image_io import image_size, list_images, read_image
from dataset.masks.readers import read_soft_mask
from dataset.tps import draw_control_points, fast_maps
from dataset.training.sample import FRAMES, LEVELS, TRIED, Sample, SampleSet, stack_images
from dataset.training.transforms import (
    Affine,
    AffineRange,
    JitterRange,
    Mask,
    Matrix,
    adjust,
    find_edges,
    mirror,
    remap,
    remap_bicubic,
    shift,
    shrink,
    stretch,
    to_grey,
    warp,
    zoom_canvas,
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
ASPECT_TOLERANCE = 0.02  # share by which the aspect ratios of a mask and its picture may differ


class StaticDataset(SampleSet):
    """Pictures with one object each.

    Affine, resize and crop are one interpolation, and a picture is decoded no larger than needed. Masks keep
    the grey levels of the file and of the bicubic interpolation. The network's input has them; the loss and
    the metrics use a threshold of one half.

    Args:
        pictures: (picture, mask) paths, see `find_pairs`. A pair listed twice is drawn twice per epoch.
        crop_size: side of the frames in pixels.
        seed: seed of the run.
    """

    def __init__(self, pictures: Sequence[tuple[Path, Path]], crop_size: int = 384, seed: int = 0) -> None:
        super().__init__(seed)
        self.pictures = list(pictures)
        self.crop_size = crop_size

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample; raise InputError when a file cannot be read or the mask does not fit.

        Returns:
            As `sample`, without the second object: `gt` is soft, `cls_gt` 1 where `gt` is above one half.
        """
        path, mask_path = self.pictures[index]
        random = self.generator(index)
        scale, flip = random.uniform(*SHARED_SCALE), random.random() < 0.5
        jitter, grey = SHARED_JITTER.draw(random), random.random() < GREY_CHANCE
        mask = read_soft_mask(mask_path)
        _check_shapes(path, mask_path, mask.shape)
        # the picture may be a little larger than the crop, since the frame's affine may enlarge it
        short_side = round(self.crop_size * FRAME_AFFINE.scale[1])
        image = read_image(path, short_side=round(short_side * max(1, scale)))
        if flip:
            image, mask = mirror(image), mirror(mask)
        canvas = (image.shape[0] / scale, image.shape[1] / scale)
        image, image_place = zoom_canvas(image, scale)
        image, unshrink = shrink(image, short_side)
        levels = warp(mask, Affine(0, scale, 0).matrix(*mask.shape), mask.shape)
        where_varied = find_edges(levels)
        image = adjust(image, jitter)
        if grey:
            image = to_grey(image)

        size = (self.crop_size, self.crop_size)
        images, masks = [], []
        for _ in range(FRAMES):
            affine, crop = FRAME_AFFINE.draw(random), (random.random(), random.random())
            matrix = frame_matrix(canvas, affine, crop, self.crop_size) @ image_place @ unshrink
            images.append(adjust(warp(image, matrix, size), FRAME_JITTER.draw(random)))
            masks.append(frame_mask(levels, where_varied, affine, crop, self.crop_size))
            if random.random() < WARP_CHANCE:
                maps = fast_maps(*draw_control_points(random), *size)
                images[-1], masks[-1] = remap(images[-1], maps), remap(masks[-1], maps)
        soft = torch.from_numpy(np.stack(masks))
        return {
            "rgb": stack_images(images),
            "gt": soft[:, None].float() / LEVELS,
            "cls_gt": (soft > LEVELS // 2).long(),
            "info": {"name": path.name, "frames": [path.name] * FRAMES},
        }


def frame_matrix(
    canvas: tuple[float, float], affine: Affine, crop: tuple[float, float], crop_size: int
) -> Matrix:
    """Return affine, resize to a shorter side of `crop_size`, and crop as one matrix.

    Args:
        canvas: (height, width) of the affine's input; they need not be whole numbers.
        affine: affine of the frame.
        crop: position of the crop between top and bottom, left and right; 0 to 1.
        crop_size: side of the result in pixels.
    """
    height, width = canvas
    factor = crop_size / min(canvas)
    top = crop[0] * (height * factor - crop_size)
    left = crop[1] * (width * factor - crop_size)
    return shift(-left, -top) @ stretch(factor, factor) @ affine.matrix(height, width)


def frame_mask(
    levels: Mask, where_varied: Mask, affine: Affine, crop: tuple[float, float], crop_size: int
) -> Mask:
    """Return a frame's mask: affine (bicubic), resize to a shorter side of `crop_size` (nearest), and crop.

    Only pixels of the result are interpolated, with the values that the separate steps would give.

    Args:
        levels: mask of the scaled canvas.
        where_varied: result of `find_edges(levels)`.
        affine: affine of the frame.
        crop: position of the crop, see `frame_matrix`.
        crop_size: side of the result in pixels.
    """
    height, width = levels.shape
    inverse = np.linalg.inv(affine.matrix(height, width))
    step = min(height, width) / crop_size  # canvas pixels per pixel of the result
    rows, columns = (
        np.floor((np.arange(crop_size) + 0.5) * step + place * (length - crop_size * step)) + 0.5
        for place, length in zip(crop, (height, width), strict=True)
    )
    x, y = (
        (row[0] * columns + (row[1] * rows + row[2] - 0.5)[:, None]).astype(np.float32) for row in inverse[:2]
    )
    return remap_bicubic(levels, where_varied, x, y)


def find_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Return the pairs of a picture and its mask in a folder and in the folders in it.

    A pair is `x.jpg` (or another format except PNG) and `x.png`. A PNG without a picture is left out, with a
    warning.

    Raises:
        InputError: a picture has no mask.
    """
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    files = [path for each in (folder, *inner) for path in list_images(each)]
    pairs = [(path, path.with_suffix(MASK_SUFFIX)) for path in files if path.suffix.lower() != MASK_SUFFIX]
    paired = {path.with_suffix("") for path, _ in pairs}
    alone = [path for path in files if path.with_suffix("") not in paired]
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


def check_objects(pairs: Sequence[tuple[Path, Path]], folder: Path) -> None:
    """Check that some mask of a folder shows an object; at most `TRIED` masks, evenly spread, are read.

    Raises:
        InputError: all of them are empty, or one cannot be read.
    """
    tried = min(TRIED, len(pairs))
    masks = [pairs[number * len(pairs) // tried][1] for number in range(tried)]
    if masks and not any(read_soft_mask(mask).max() > LEVELS // 2 for mask in masks):
        raise InputError(
            f"there is nothing to train on in {folder}: of its {len(pairs)} masks {tried} were read, evenly "
            f"spread, and all are empty ({masks[0].name} is one): paint what is to be learnt, in white."
        )


def _check_shapes(path: Path, mask_path: Path, mask: tuple[int, ...]) -> None:
    height, width = image_size(path)
    if abs(mask[0] * width / (mask[1] * height) - 1) > ASPECT_TOLERANCE:
        raise InputError(
            f"mask {mask_path} is {mask[1]} x {mask[0]}, its picture {path} {width} x {height}: "
            "give a mask of the same shape."
        )
