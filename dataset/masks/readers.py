"""Reads mask files as label maps, as one object, or by colour.

Decoders change numbers for display: grey of 2 or 4 bits is stretched to 255. Here the stored numbers are
restored.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset.image_io import IMAGE_SUFFIXES, open_image, raw_mode
from util.errors import InputError
from util.palette import extend_palette

# Suffixes of masks; files in some of these formats are refused, with the reason.
MASK_SUFFIXES = IMAGE_SUFFIXES | {".gif", ".tga", ".pgm", ".ppm", ".pbm", ".avif", ".heic", ".jp2", ".jxl"}
LARGEST_LABEL = 255
VOID = 255  # palette entry of pixels that belong to no object

GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B"}  # Pillow's names; those with I have 16 bits or more
PALETTE_MODES = {"P", "PA"}
COLOUR_MODES = {"RGB", "RGBA"}
ALPHA_MODES = {"LA", "PA"}
LOSSLESS_FORMATS = {"PNG", "BMP", "GIF", "TIFF"}
LOSSY_COMPRESSIONS = {"jpeg", "tiff_jpeg", "webp"}  # compressions in a TIFF that change pixels
STRETCHED = {"L;2": 85, "L;4": 17}  # factors by which Pillow multiplies the numbers of PNGs of 2 and 4 bits
BLACK = (0, 0, 0)
WHITE_16 = 65535


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Read the stored numbers of a paletted or grey mask, `H x W`; transparent pixels are 0.

    Raises:
        InputError: the mask cannot be read, marks objects by colour, has labels outside of 0 to 255, or may
            have lost its labels (see `_check_mask`).
    """
    with open_image(path) as image:
        _check_mask(image, path)
        if image.mode in COLOUR_MODES:
            raise InputError(f"mask {path} is a {image.mode} picture: save it with a palette or in grey.")
        labels = _stored_numbers(image)
        opaque = _opaque_pixels(image)
        if opaque is not None:
            if not opaque.all() and image.mode in PALETTE_MODES and _marks_by_colour(image):
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
    with open_image(path) as image:
        labels = np.asarray(image if image.mode == "P" else image.convert("L"))
        threshold = 0 if image.mode == "P" else labels.max() // 2
    return np.where(labels > threshold, np.uint8(255), np.uint8(0))


def read_soft_mask(path: Path) -> NDArray[np.uint8]:
    """Read the mask of a single object, `H x W`, 0 to 255.

    Grey levels stay as they are; labels above 0 of a paletted file are 255.
    """
    with open_image(path) as image:
        if image.mode == "P":
            return np.where(np.asarray(image) > 0, np.uint8(255), np.uint8(0))
        return np.array(image.convert("L"))


def read_palette(path: Path) -> list[int] | None:
    """Return the stored palette of a mask, R G B R G B ..., possibly below 256 colours; or None."""
    with open_image(path) as image:
        return image.getpalette("RGB") if image.mode in PALETTE_MODES else None


def join_palettes(paths: Iterable[Path]) -> list[int]:
    """Return 256 colours for the labels of masks, R G B R G B ...

    They are the colours of the first palette, then those of the first longer one, then the VOC colours.
    """
    joined: list[int] = []
    for path in paths:
        joined += (read_palette(path) or [])[len(joined) :]
    return extend_palette(joined)


def read_colours(path: Path) -> NDArray[np.uint8] | None:
    """Read a mask that marks objects by colour, as RGB `H x W x 3`; None when its numbers are labels.

    Transparent pixels become black.

    Raises:
        InputError: the mask cannot be read, may have lost its labels (see `_check_mask`), or has no clear
            background (see `_marks_by_colour`).
    """
    with open_image(path) as image:
        _check_mask(image, path)
        if not _marks_by_colour(image):
            return None
        opaque = _opaque_pixels(image)
        colours = np.array(image.convert("RGB"))
        if opaque is not None:
            colours[~opaque] = 0
        return colours


def _check_mask(image: Image.Image, path: Path) -> None:
    """Check that the format of a file can hold labels.

    Raises:
        InputError: the compression is or may be lossy, the file holds several pictures, or its numbers cannot
            be labels (float, print colours, 16 bits per channel).
    """
    if image.format not in LOSSLESS_FORMATS or image.info.get("compression") in LOSSY_COMPRESSIONS:
        raise InputError(
            f"{path} is a {image.format}, whose compression may change labels: save masks as PNG."
        )
    count = getattr(image, "n_frames", 1)
    if count > 1:
        raise InputError(f"{path} holds {count} pictures, and a mask is one: save the right one as PNG.")
    if image.mode not in GREY_MODES | PALETTE_MODES | COLOUR_MODES:
        raise InputError(f"mask {path} is a {image.mode} picture: save it with a palette, in grey or in RGB.")
    if image.mode in COLOUR_MODES and ";16" in raw_mode(image):
        raise InputError(
            f"mask {path} has 16 bits a channel: save it with 8, or in grey without transparency."
        )


def _stored_numbers(image: Image.Image) -> NDArray[np.integer]:
    """Return the stored numbers of a grey or paletted picture, `H x W`.

    White is 255 in pictures of one bit, and in pictures of 16 bits that only have black and white.
    """
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    step = STRETCHED.get(raw_mode(image), 1) if image.format == "PNG" else 1
    numbers = np.asarray(image.getchannel(0) if image.mode in ALPHA_MODES else image)
    if image.mode.startswith("I") and ((numbers == 0) | (numbers == WHITE_16)).all():
        return np.where(numbers > 0, np.uint8(255), np.uint8(0))
    return numbers // step if step > 1 else numbers


def _opaque_pixels(image: Image.Image) -> NDArray[np.bool_] | None:
    """Return where a picture is not fully transparent, `H x W`; None when it has no transparency."""
    return np.asarray(image.convert("RGBA"))[..., 3] > 0 if image.has_transparency_data else None


def _marks_by_colour(image: Image.Image) -> bool:
    """Return whether a mask marks objects by colour: RGB, or a palette whose entry 0 is not the background.

    Entry 0 is the background, unless it is not black and other pixels are black, or are transparent while
    those of entry 0 are not.
    """
    if image.mode not in PALETTE_MODES:
        return image.mode in COLOUR_MODES
    colours = image.getpalette("RGB") or []
    if not colours or tuple(colours[:3]) == BLACK:
        return False
    numbers = _stored_numbers(image)
    opaque = _opaque_pixels(image)
    used = np.unique(numbers if opaque is None else numbers[opaque]).tolist()
    black = any(tuple(colours[3 * number : 3 * number + 3]) == BLACK for number in used)
    return black or (0 in used and opaque is not None and not opaque.all())
