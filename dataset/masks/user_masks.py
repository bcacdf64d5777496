"""Reads all masks of a user together, so that a label is the same object in all of them.

Paletted and grey masks give numbers, RGB masks give colours. As soon as one mask gives colours, all masks are
read by their colours.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.image_io import open_image
from dataset.masks.readers import join_palettes, read_colours, read_label_map
from util.errors import InputError
from util.palette import extend_palette

log = logging.getLogger(__name__)

MOST_OBJECTS = 255
FEWEST_THIN = 4  # least thin objects that mean a soft edge; fewer are small objects
SQUARE = np.ones((3, 3), np.uint8)
LISTED = 60  # most objects that a message lists
ADVICE = "draw with a hard pencil, without smoothing, do not scale the mask, and save it as PNG"


@dataclass(frozen=True)
class UserLabels:
    """Reads masks of any kind as labels `H x W` with one meaning in all masks; 0 is background.

    Attributes:
        palette: colours of the labels, so that results look like the given masks.
        by_colour: label of each packed colour, numbered in order of appearance, within a mask by value; None
            when all masks give numbers.
    """

    palette: list[int]
    by_colour: Mapping[int, int] | None = None

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "UserLabels":
        """Examine all masks; warn when they show no background.

        Raises:
            InputError: a file is not a mask, there are more than 255 objects, a mask has soft edges, or a
                palette shows two labels in one colour while other masks give colours.
        """
        coloured = any(read_colours(path) is not None for path in paths)
        read = packed_colours if coloured else read_numbers
        found: dict[int, None] = {}  # in order of appearance
        full: list[Path] = []
        for path in paths:
            ids = read(path)
            counts = count_pixels(ids)
            found |= dict.fromkeys(counts)
            if len(found) > MOST_OBJECTS:
                raise InputError(
                    f"with {path} there are more than {MOST_OBJECTS} colours, and each colour is one object: "
                    f"{ADVICE}."
                )
            _check_edges(path, ids, counts, coloured)
            if len(counts) > 1 and ids.all():
                full.append(path)
        if full:
            log.warning(
                "mask %s shows no background (masks without background: %d): all its colours are objects; "
                "paint the background black if that is wrong.",
                *(full[0], len(full)),
            )
        if not coloured:
            return cls(join_palettes(paths))
        triples = [colour >> shift & 255 for colour in (0, *found) for shift in (16, 8, 0)]
        return cls(extend_palette(triples), {colour: i for i, colour in enumerate(found, start=1)})

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """Read a mask as labels `H x W`."""
        if self.by_colour is None:
            return read_numbers(path)
        packed = packed_colours(path)
        colours, index = np.unique(packed, return_inverse=True)
        labels = np.array([self.by_colour.get(colour, 0) for colour in colours.tolist()], np.uint8)
        return labels[index].reshape(packed.shape)


def read_numbers(path: Path) -> NDArray[np.uint8]:
    """Read a mask that gives numbers as labels `H x W`; 0 is background."""
    return read_label_map(path, lone_void=True)


def packed_colours(path: Path) -> NDArray[np.uint32]:
    """Read a mask by the colours that it shows, packed as R * 65536 + G * 256 + B, `H x W`; 0 is background.

    Raises:
        InputError: the file is not a mask, or shows two labels in one colour, or one in black.
    """
    colours = read_colours(path)
    if colours is not None:
        return _packed(colours)
    numbers = read_numbers(path)
    with open_image(path) as image:
        grey = image.mode.startswith("I")  # 16 bits
        shown = np.repeat(numbers[..., None], 3, 2) if grey else np.asarray(image.convert("RGB"))
    packed = np.where(numbers > 0, _packed(shown), np.uint32(0))
    pairs = np.unique(packed.astype(np.int64) << 8 | numbers)
    if len(np.unique(pairs >> 8)) < len(pairs):
        raise InputError(
            f"mask {path} has labels that its palette shows in black or in one colour, and other masks tell "
            "objects by colour: save all masks in one way, with palettes or in RGB."
        )
    return packed


def _packed(colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
    red, green, blue = np.moveaxis(colours.astype(np.uint32), -1, 0)
    return red << 16 | green << 8 | blue


def count_pixels(ids: NDArray[np.integer]) -> dict[int, int]:
    """Return the number of pixels of each label or colour above 0 in a map `H x W`, by rising value."""
    found, counts = np.unique(ids[ids > 0], return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _check_edges(path: Path, ids: NDArray[np.integer], counts: Mapping[int, int], coloured: bool) -> None:
    """Check that a mask has no soft edges, whose shades would each be an object.

    It has them when at least `FEWEST_THIN` objects, and most of all, nowhere fill a square of 3 x 3 pixels.

    Args:
        path: path of the mask, for the error message.
        ids: labels or packed colours `H x W`.
        counts: number of pixels of each object.
        coloured: whether the ids are colours.

    Raises:
        InputError: the mask has soft edges; the message lists the objects.
    """
    thin = [each for each in counts if not cv2.erode((ids == each).astype(np.uint8), SQUARE).any()]
    if len(thin) < FEWEST_THIN or 2 * len(thin) <= len(counts):
        return
    listed = ", ".join(
        f"{f'#{each:06x}' if coloured else each} ({counts[each]} px)" for each in thin[:LISTED]
    )
    more = f" and {len(thin) - LISTED} more" if len(thin) > LISTED else ""
    raise InputError(
        f"mask {path} has soft edges, whose shades would each be an object: {listed}{more} nowhere fill "
        f"3 x 3 pixels; {ADVICE}."
    )
