"""Reading of frames and label maps, and the normalisation of frames."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from util.errors import InputError

# ImageNet statistics of RGB in [0, 1]
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)

# the normalised value of every byte, 256 x 1 x 3: looking it up is several times faster than computing it
NORMALISED = ((np.arange(256, dtype=np.float32)[:, None, None] / np.float32(255) - MEAN) / STD).astype(
    np.float32
)

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B"}  # Pillow's names; those with I have 16 bits or more
ORIENTATION = 0x0112  # EXIF's number of it; 1 is upright
DEEP = 16  # bits of a channel; Pillow keeps them in grey pictures alone
LARGEST_LABEL = 255
VOID = 255  # what paletted masks call pixels of no object


def normalise(image: NDArray[np.uint8]) -> Tensor:
    """Turn an RGB picture `H x W x 3` into a float tensor `3 x H x W` of zero mean and unit variance."""
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
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture; a missing or damaged one raises InputError, also while its pixels are decoded."""
    try:
        with Image.open(path) as image:
            yield image
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"there is no picture at {path}.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path} cannot be read as a picture (damaged, or another format): {error}"
        ) from error


def read_image(
    path: Path, short_side: int | None = None, upright: bool = False, bits: int = DEEP
) -> NDArray[np.uint8]:
    """Read a picture as RGB, `H x W x 3`; transparency is ignored, 16 bits become 8.

    Args:
        path: the file.
        short_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is faster, as long as its
            shorter side keeps this many pixels. None reads every pixel.
        upright: turn it as its EXIF data says and viewers show it. Masks are read as they are stored,
            and so are the pictures of data sets, for which they were made.
        bits: how many of its 16 bits a 16-bit picture uses; larger values become white.
    """
    with _opened(path) as image:
        if short_side is not None:
            image.draft(None, (short_side, short_side))  # does nothing for other formats
        shown = image
        if _is_deep(image):
            shown = Image.fromarray(np.clip(read_levels(path) >> (bits - 8), 0, 255).astype(np.uint8))
            shown.info = image.info  # its EXIF data among it
        shown = _turned(shown) if upright else shown
        return np.asarray(shown if shown.mode == "RGB" else shown.convert("RGB"))


def frames_and_depth(path: Path) -> tuple[int, bool]:
    """Return how many frames a picture file holds and whether it has 16 bits, without decoding its pixels.

    A photo that a camera stored with another view of the same moment is one frame.
    """
    with _opened(path) as image:
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        return frames, _is_deep(image)


def _is_deep(image: Image.Image) -> bool:
    tiles = getattr(image, "tile", [])  # how each part is decoded: colours are cut to 8 bits, if need be
    return image.mode.startswith("I") or any(str(tile[3]).endswith(";16B") for tile in tiles)


def read_levels(path: Path) -> NDArray[Any]:
    """Read a picture of more than 8 bits as it is stored, grey `H x W` or RGB `H x W x 3`."""
    with _opened(path) as image:
        levels = np.asarray(image)  # colours are cut to 8 bits, but a damaged file is found
        if image.mode.startswith("I"):
            return levels
    deep = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is None:
        raise InputError(f"{path} cannot be read as a picture (damaged, or another format).")
    return cv2.cvtColor(deep, cv2.COLOR_BGRA2RGB if deep.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _turned(image: Image.Image) -> Image.Image:
    try:
        return image if image.getexif().get(ORIENTATION, 1) == 1 else ImageOps.exif_transpose(image)
    except (struct.error, SyntaxError, ValueError, TypeError):  # damaged EXIF data says nothing
        return image


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of a picture without decoding its pixels."""
    with _opened(path) as image:
        return image.height, image.width


def _check_lossless(image: Image.Image, path: Path) -> None:
    if image.format == "JPEG":
        raise InputError(f"{path} is a JPEG, whose compression changes labels: save masks as PNG.")


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Read a paletted or grey PNG as it is stored, `H x W`.

    Raises:
        InputError: it cannot be read, marks objects by colour, or has labels above 255.
    """
    with _opened(path) as image:
        _check_lossless(image, path)
        if image.mode == "P":
            return np.asarray(image)
        if image.mode not in GREY_MODES:
            raise InputError(f"mask {path} is a {image.mode} picture: save it with a palette or in grey.")
        if image.mode == "LA":
            levels, opacity = (np.asarray(band) for band in image.split())
            return np.where(opacity > 0, levels, np.uint8(0))
        levels = np.asarray(image.convert("L") if image.mode == "1" else image)
    if levels.max() > LARGEST_LABEL:
        raise InputError(f"mask {path} has the label {levels.max()}: labels go from 1 to {LARGEST_LABEL}.")
    return levels.astype(np.uint8)


def read_label_map(path: Path, lone_void: bool = False) -> NDArray[np.uint8]:
    """Read a paletted or grey PNG as labels of objects, `H x W`; 0 is background.

    255 in a paletted file is void, as in DAVIS: pixels of no object, which become background. In a grey
    file it is a label like the others, since masks of one object are commonly stored as 0 and 255.

    Args:
        path: the file.
        lone_void: keep 255 in a paletted file that has no other label, which then is such a mask, too.

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
    """Read a mask as one object labelled 255, `H x W`: all labels above 0, or any colour but black."""
    colours = read_colours(path)
    inside = read_labels(path) > 0 if colours is None else colours.any(axis=2)
    return np.where(inside, np.uint8(255), np.uint8(0))


def read_object_mask(path: Path) -> NDArray[np.uint8]:
    """Read the mask of a single object, `H x W`, 0 or 255.

    Paletted files show the object by labels above 0, all others by values above half of their largest.
    """
    with _opened(path) as image:
        labels = np.asarray(image if image.mode == "P" else image.convert("L"))
        threshold = 0 if image.mode == "P" else labels.max() // 2
    return np.where(labels > threshold, np.uint8(255), np.uint8(0))


def read_palette(path: Path) -> list[int] | None:
    """Return the palette of a paletted PNG, R G B R G B ..., or None when it has none."""
    with _opened(path) as image:
        return image.getpalette("RGB") if image.mode == "P" else None


def read_colours(path: Path) -> NDArray[np.uint8] | None:
    """Read a mask that marks objects by colour, as RGB `H x W x 3`; None when it is paletted or grey.

    Transparent pixels are black, whatever colour is hidden there.
    """
    with _opened(path) as image:
        _check_lossless(image, path)
        if image.mode in GREY_MODES | {"P"}:
            return None
        colours = np.array(image.convert("RGB"))
        if image.mode == "RGBA":
            colours[np.asarray(image)[:, :, 3] == 0] = 0
        return colours


def list_images(folder: Path) -> list[Path]:
    """Return the pictures of a folder in order of their names; hidden files and folders are left out."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        # a link to nowhere stays in: left out silently, it would be a frame too few
        names = sorted(entry.name for entry in entries if not entry.is_dir())
    pictures = (folder / name for name in names if not name.startswith("."))
    return [path for path in pictures if path.suffix.lower() in IMAGE_SUFFIXES]


def list_images_below(folder: Path) -> list[Path]:
    """Return the pictures of a folder and of all visible folders in it, behind links too, each once."""
    found: list[Path] = []
    visited: set[Path] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if here.resolve() in visited:  # links can lead in circles
            continue
        visited.add(here.resolve())
        found += list_images(here)
        if here.is_dir():
            waiting += [path for path in here.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(found)
