"""Reads mask files as label maps, as one object, or by colour."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.image_io import IMAGE_SUFFIXES, opened
from dataset.masks.stored import (
    COLOUR_MODES,
    PALETTE_MODES,
    check_mask,
    marks_by_colour,
    opaque_pixels,
    stored_numbers,
)
from util.errors import InputError
from util.palette import full_palette

# Suffixes of masks; files in some of these formats are refused, with the reason.
MASK_SUFFIXES = IMAGE_SUFFIXES | {".gif", ".tga", ".pgm", ".ppm", ".pbm", ".jpe", ".jfif"}
MASK_SUFFIXES |= {".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl"}
LARGEST_LABEL = 255
VOID = 255  # palette entry of pixels that belong to no object


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Read the stored numbers of a paletted or grey mask, `H x W`; transparent pixels are 0.

    Raises:
        InputError: the mask cannot be read, marks objects by colour, has labels outside of 0 to 255, or may
            have lost its labels (see `check_mask`).
    """
    with opened(path) as image:
        check_mask(image, path)
        if image.mode in COLOUR_MODES:
            raise InputError(f"mask {path} is a {image.mode} picture: save it with a palette or in grey.")
        labels = stored_numbers(image)
        opaque = opaque_pixels(image, labels)
        if opaque is not None:
            if not opaque.all() and image.mode in PALETTE_MODES and marks_by_colour(image):
                raise InputError(
                    f"mask {path} shows an object by entry 0 of its palette, which is the background: "
                    "give the object another entry."
                )
            labels = np.where(opaque, labels, np.zeros_like(labels))
    if labels.max() > LARGEST_LABEL or labels.min() < 0:
        wrong = labels.max() if labels.max() > LARGEST_LABEL else labels.min()
        raise InputError(f"mask {path} has the label {wrong}: labels go from 1 to {LARGEST_LABEL}.")
    return labels.astype(np.uint8)


def read_label_map(path: Path, lone_void: bool = False) -> NDArray[np.uint8]:
    """Read a paletted or grey PNG as labels of objects, `H x W`; 0 is background.

    255 in a paletted file is void, as in DAVIS, and becomes background. In a grey file it is a label, since
    masks of one object are often stored as 0 and 255.

    Args:
        path: path of the mask.
        lone_void: whether 255 is a label in a paletted file without other labels.

    Raises:
        InputError: see `read_labels`.
    """
    labels = read_labels(path)
    void = labels == VOID
    if not void.any() or read_palette(path) is None:
        return labels
    without = np.where(void, np.uint8(0), labels)
    return labels if lone_void and not without.any() else without


def read_merged(path: Path) -> NDArray[np.uint8]:
    """Read a mask as one object labelled 255, `H x W`: all labels above 0, or all colours except black."""
    colours = read_colours(path)
    inside = read_labels(path) > 0 if colours is None else colours.any(axis=2)
    return np.where(inside, np.uint8(255), np.uint8(0))


def read_object_mask(path: Path) -> NDArray[np.uint8]:
    """Read the mask of a single object, `H x W`, 0 or 255.

    The object is where a paletted file has labels above 0, and where others exceed half of their largest
    value.
    """
    with opened(path) as image:
        labels = np.asarray(image if image.mode == "P" else image.convert("L"))
        threshold = 0 if image.mode == "P" else labels.max() // 2
    return np.where(labels > threshold, np.uint8(255), np.uint8(0))


def read_soft_mask(path: Path) -> NDArray[np.uint8]:
    """Read the mask of a single object, `H x W`, 0 to 255.

    Grey levels stay as they are; labels above 0 of a paletted file are 255.
    """
    with opened(path) as image:
        if image.mode == "P":
            return np.where(np.asarray(image) > 0, np.uint8(255), np.uint8(0))
        return np.array(image.convert("L"))


def read_palette(path: Path) -> list[int] | None:
    """Return the stored palette of a mask, R G B R G B ..., possibly below 256 colours; or None."""
    with opened(path) as image:
        return image.getpalette("RGB") if image.mode in PALETTE_MODES else None


def joined_palette(paths: Iterable[Path]) -> list[int]:
    """Return 256 colours for the labels of masks, R G B R G B ...

    They are the colours of the first palette, then those of the first longer one, then the VOC colours.
    """
    joined: list[int] = []
    for path in paths:
        joined += (read_palette(path) or [])[len(joined) :]
    return full_palette(joined)


def read_colours(path: Path) -> NDArray[np.uint8] | None:
    """Read a mask that marks objects by colour, as RGB `H x W x 3`; None when its numbers are labels.

    Transparent pixels become black.

    Raises:
        InputError: the mask cannot be read, may have lost its labels (see `check_mask`), or has no clear
            background (see `marks_by_colour`).
    """
    with opened(path) as image:
        check_mask(image, path)
        if not marks_by_colour(image):
            return None
        opaque = opaque_pixels(image, stored_numbers(image) if image.mode in PALETTE_MODES else None)
        colours = np.array(image.convert("RGB"))
        if opaque is not None:
            colours[~opaque] = 0
        return colours
