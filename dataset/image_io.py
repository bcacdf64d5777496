"""Reads pictures, and normalises frames for the network."""

import logging
import os
import struct
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from torch import Tensor

from util.errors import InputError

log = logging.getLogger(__name__)

# ImageNet statistics of RGB in [0, 1]
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)

# The normalised value of every byte, 256 x 1 x 3: a look-up is several times faster than computing it.
NORMALISED = ((np.arange(256, dtype=np.float32)[:, None, None] / np.float32(255) - MEAN) / STD).astype(
    np.float32
)

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
ORIENTATION = 0x0112  # EXIF tag; 1 is upright, FIRST_TURNED to 8 are turned by a quarter
FIRST_TURNED = 5
BROKEN = (
    UnidentifiedImageError,
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)
DEEP = 16  # bits per channel of deep pictures; Pillow keeps them only when grey


def normalise(image: NDArray[np.uint8]) -> Tensor:
    """Turn an RGB picture `H x W x 3` into a float tensor `3 x H x W`, normalised by ImageNet's statistics.

    Raises:
        InputError: the picture has another shape or dtype.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(
            "a picture must be RGB, H x W x 3, of bytes (uint8), "
            f"not {' x '.join(map(str, image.shape))} of {image.dtype}."
        )
    return torch.from_numpy(cv2.LUT(np.ascontiguousarray(image), NORMALISED)).permute(2, 0, 1)


def denormalise(image: Tensor) -> NDArray[np.uint8]:
    """Turn a tensor of `normalise`, `3 x H x W`, back into an RGB picture `H x W x 3`."""
    picture = image.permute(1, 2, 0).cpu().numpy() * STD + MEAN
    return np.rint(np.clip(picture, 0, 1) * np.float32(255)).astype(np.uint8)


def normalise_into(planes: Tensor, image: NDArray[np.uint8]) -> None:
    """Write what `normalise` returns into a contiguous float tensor `3 x H x W`, one plane after another."""
    for plane, values, table in zip(
        planes.numpy(), cv2.split(image), NORMALISED.transpose(2, 0, 1), strict=True
    ):
        cv2.LUT(values, np.ascontiguousarray(table), dst=plane)


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open a picture; raise InputError when it is missing, or damaged (also in the block)."""
    try:
        with Image.open(path) as image:
            if image.format == "TIFF" and _orientation(image) != 1:  # Pillow turns only some of them
                raise InputError(f"{path} is a rotated or mirrored TIFF: save it upright.")
            yield image
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"there is no picture at {path}.") from error
    except BROKEN as error:
        raise InputError(
            f"{path} cannot be read as a picture (damaged, or another format): {error}"
        ) from error


def read_image(
    path: Path, short_side: int | None = None, upright: bool = False, bits: int = DEEP
) -> NDArray[np.uint8]:
    """Read a picture as RGB, `H x W x 3`; transparency is ignored, 16 bits become 8.

    Args:
        path: path of the picture.
        short_side: lower limit of the shorter side: a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, which
            is faster, while it stays above. None decodes at full size.
        upright: whether to turn the picture as its EXIF data says. Masks are read as stored, and so are the
            pictures of data sets, for which the masks were made.
        bits: number of bits that a 16-bit picture uses; larger values become white.
    """
    with open_image(path) as image:
        if short_side is not None:
            image.draft(None, (short_side, short_side))  # does nothing for other formats
        shown = image
        if image.mode == "F":
            raise InputError(f"{path} holds floating point numbers: save it with 8 or 16 bits a channel.")
        if _is_deep(image):
            shown = Image.fromarray(np.clip(read_levels(path) >> (bits - 8), 0, 255).astype(np.uint8))
            shown.info = image.info  # keeps the EXIF data
        if upright and _orientation(image) != 1:
            shown = ImageOps.exif_transpose(shown)
        return np.asarray(shown if shown.mode == "RGB" else shown.convert("RGB"))


def bits_of_frames(pictures: Sequence[Path]) -> int:
    """Return the number of bits that the 16-bit pictures of a folder use; one number for all avoids flicker.

    Log a warning when it is below 16, and when pictures hold several frames. Unreadable pictures are ignored
    here.
    """
    deep: list[Path] = []
    several: list[Path] = []
    for path in pictures:
        with suppress(InputError), open_image(path) as image:
            # an MPO file holds several views of one photo
            several += [path] * (image.format != "MPO" and getattr(image, "n_frames", 1) > 1)
            deep += [path] * _is_deep(image)
    if several:
        log.warning(
            "%s holds several frames (%d such pictures): only the first frame of each is used.",
            *(several[0], len(several)),
        )
    largest = 0
    for path in deep:
        with suppress(InputError):
            largest = max(largest, int(read_levels(path).max()))
        if largest >> DEEP - 2:
            break  # all 16 bits are used
    bits = max(8, largest.bit_length() + largest.bit_length() % 2) if deep else DEEP
    if bits < DEEP:
        log.warning(
            "%s and the other 16-bit pictures go up to %d: they are read as pictures of %d bits.",
            *(deep[0], largest, bits),
        )
    return bits


def raw_mode(image: Image.Image) -> str:
    """Return Pillow's name of how an opened file stores pixels, such as `L;4`; empty after decoding."""
    settings = image.tile[0][3] if isinstance(image, ImageFile.ImageFile) and image.tile else ""
    return str(settings[0] if isinstance(settings, tuple) else settings or "")


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or (image.mode != "CMYK" and ";16" in raw_mode(image))


def read_levels(path: Path) -> NDArray[Any]:
    """Read a picture of more than 8 bits without conversion, grey `H x W` or RGB `H x W x 3`."""
    with open_image(path) as image:
        levels = np.asarray(image)  # also finds damage; colours have only 8 bits here
        if image.mode.startswith("I"):
            return levels
    deep = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is None:
        raise InputError(f"{path} cannot be read as a picture (damaged, or another format).")
    return cv2.cvtColor(deep, cv2.COLOR_BGRA2RGB if deep.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _orientation(image: Image.Image) -> int:
    if (
        image.format == "PNG" and "exif" not in image.info
    ):  # Pillow would decode the pixels to look behind them
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except (struct.error, SyntaxError, ValueError, TypeError):
        return 1  # damaged EXIF data is ignored


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of a picture without decoding its pixels."""
    with open_image(path) as image:
        return image.height, image.width


def picture_size(path: Path, upright: bool = False) -> tuple[int, int]:
    """Return (height, width) of the result of `read_image`, without decoding the pixels."""
    with open_image(path) as image:
        turned = upright and _orientation(image) >= FIRST_TURNED
        return (image.width, image.height) if turned else (image.height, image.width)


def list_images(folder: Path, suffixes: Collection[str] = IMAGE_SUFFIXES) -> list[Path]:
    """Return the pictures of a folder in order of their names, without hidden files."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        # broken links stay in the list, so that reading them is an error and no frame is lost silently
        names = sorted(entry.name for entry in entries if not entry.is_dir())
    pictures = (folder / name for name in names if not name.startswith("."))
    return [path for path in pictures if path.suffix.lower() in suffixes]
