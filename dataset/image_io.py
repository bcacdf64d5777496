"""Reading of frames and label maps, and the normalisation of frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
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
    except FileNotFoundError as error:
        raise InputError(f"there is no picture at {path}.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a picture (damaged, or another format): {error}"
        ) from error


def read_image(path: Path, short_side: int | None = None) -> NDArray[np.uint8]:
    """Read a picture as RGB, `H x W x 3`.

    Args:
        path: the file.
        short_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is faster, as long as its
            shorter side keeps this many pixels. None reads every pixel.
    """
    with _opened(path) as image:
        if short_side is not None:
            image.draft(None, (short_side, short_side))  # does nothing for other formats
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of a picture without decoding its pixels."""
    with _opened(path) as image:
        return image.height, image.width


def read_label_map(path: Path, merge: bool = False) -> NDArray[np.uint8]:
    """Read a paletted or grey PNG as labels, `H x W`; 0 is background.

    Args:
        path: the file.
        merge: make all labels above 0 one object, labelled 255.
    """
    with _opened(path) as image:
        labels = np.asarray(image if image.mode in ("P", "L") else image.convert("L"))
    return np.where(labels > 0, np.uint8(255), np.uint8(0)) if merge else labels


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
    """Read a mask that marks objects by colour, as RGB `H x W x 3`; None when it is paletted or grey."""
    with _opened(path) as image:
        return None if image.mode in ("P", "L", "1", "I", "I;16") else np.asarray(image.convert("RGB"))


def list_images(folder: Path) -> list[Path]:
    """Return the pictures of a folder in order of their names; hidden files are left out."""
    if not folder.is_dir():
        return []
    pictures = (
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )
    return sorted(pictures, key=lambda path: path.name)
