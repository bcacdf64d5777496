"""Reads all masks of a user together, so that a label is the same object in all of them.

Paletted and grey masks give numbers, RGB masks give colours. As soon as one mask gives colours, all masks are
read by their colours.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.image_io import opened
from dataset.masks.readers import joined_palette, read_colours, read_label_map, read_palette
from dataset.masks.soft_edges import MANY, id_counts, thin_ids, without_soft_edges
from dataset.masks.stored import ALPHA_MODES, grey_step
from util.errors import InputError
from util.palette import full_palette

log = logging.getLogger(__name__)

BLACK = 0
BIT, GREY, PALETTE, COLOUR = (
    "black and white",
    "grey",
    "paletted",
    "in colour",
)  # how a mask gives its objects
MOST_OBJECTS = 255
MOST_COLOURS = 4096  # of a mask with soft edges
LISTED = 60  # ids in a message
ADVICE = "draw without smoothing, and objects of at least 3 x 3 pixels"


@dataclass(frozen=True)
class MaskIds:
    """A mask as ids: numbers, or packed colours (R * 65536 + G * 256 + B).

    Attributes:
        path: path of the mask.
        kind: BIT, GREY, PALETTE or COLOUR.
        ids: ids `H x W`, 0 is background, without soft edges.
        colours: packed colour of each id.
        soft: number of soft-edge pixels of each id.
    """

    path: Path
    kind: str
    ids: NDArray[np.integer]
    colours: Mapping[int, int]
    soft: Mapping[int, int]

    def listed(self, counts: Mapping[int, int]) -> str:
        """Return ids with their pixel counts, for a message."""
        names = (f"#{number:06x}" if self.kind is COLOUR else str(number) for number in counts)
        items = [f"{name} ({count} px)" for name, count in zip(names, counts.values(), strict=True)]
        more = f" and {len(items) - LISTED} more" if len(items) > LISTED else ""
        return ", ".join(items[:LISTED]) + more


def read_ids(path: Path) -> MaskIds:
    """Read a mask of any kind; raise InputError when it is not a mask."""
    colours = read_colours(path)
    if colours is not None:
        red, green, blue = np.moveaxis(colours.astype(np.uint32), -1, 0)
        ids: NDArray[np.integer] = red << 16 | green << 8 | blue
        kind, packed = COLOUR, {number: number for number in [BLACK, *np.unique(ids).tolist()]}
        if len(packed) > MOST_COLOURS:
            raise InputError(f"mask {path} has {len(packed)} colours: give a mask, not a photo.")
    else:
        ids = read_label_map(path, lone_void=True)
        kind, packed = _colours_of_numbers(path)
    settled = without_soft_edges(ids, packed)
    return MaskIds(path, kind, settled, packed, id_counts(ids[ids != settled]))


def _colours_of_numbers(path: Path) -> tuple[str, dict[int, int]]:
    """Return the kind of a mask that gives numbers, and the packed colour of each number."""
    palette = read_palette(path)
    with opened(path) as image:
        if palette is None:
            kind, step = BIT if image.mode == "1" else GREY, grey_step(image)
            return kind, {level: min(255, level * step) * 0x10101 for level in range(256)}
        transparent = image.mode in ALPHA_MODES or "transparency" in image.info
    red, green, blue = np.array(full_palette(palette)).reshape(-1, 3).T
    packed = dict(enumerate((red << 16 | green << 8 | blue).tolist()))
    return PALETTE, packed | {0: BLACK} if transparent else packed


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
        """Examine all masks, and warn of likely mistakes.

        Raises:
            InputError: a file is not a mask, there are more than 255 objects, or a palette shows two labels
                in one colour while other masks give colours.
        """
        shown: dict[Path, tuple[str, dict[int, int]]] = {}  # kind, and colours of the ids
        colours: dict[int, None] = {}  # in order of appearance
        doubts: dict[str, list[str]] = {}
        for path in paths:
            mask = read_ids(path)
            counts = id_counts(mask.ids)
            shown[path] = mask.kind, {number: mask.colours[number] for number in counts}
            colours |= dict.fromkeys(shown[path][1].values())
            by_colour = any(kind is COLOUR for kind, _ in shown.values())
            if by_colour and len(colours) > MOST_OBJECTS:
                raise InputError(
                    f"{path} brings the number of colours above {MOST_OBJECTS}, and each is an object: "
                    f"{ADVICE}, and save masks as PNG."
                )
            for subject, sentence in _doubts(mask, counts):
                doubts.setdefault(subject, []).append(sentence)
        _warn(doubts.values())
        if by_colour:
            _check_distinct(shown)
            triples = [colour >> shift & 255 for colour in (BLACK, *colours) for shift in (16, 8, 0)]
            labels = cls(full_palette(triples), {colour: i for i, colour in enumerate(colours, start=1)})
        else:
            labels = cls(joined_palette(paths))
        _warn_of_strangers(shown, by_colour)
        return labels

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """Read a mask as labels `H x W`."""
        mask = read_ids(path)
        if self.by_colour is None:
            return mask.ids.astype(np.uint8)
        labels = np.zeros(mask.ids.shape, np.uint8)
        for number in id_counts(mask.ids):
            labels[mask.ids == number] = self.by_colour[mask.colours[number]]
        return labels


def _warn(subjects: Iterable[Sequence[str]]) -> None:
    """Log the first sentence of each subject, with the number of other masks that it applies to."""
    for sentences in subjects:
        more = f" ({len(sentences) - 1} more masks are such)" if len(sentences) > 1 else ""
        log.warning("%s%s.", sentences[0], more)


def _doubts(mask: MaskIds, counts: Mapping[int, int]) -> Iterator[tuple[str, str]]:
    """Yield likely mistakes in a mask: a subject, and the sentence about this mask.

    Args:
        mask: mask to examine.
        counts: number of pixels of each object.

    Raises:
        InputError: the mask has soft edges and other thin objects, which may be soft edges too.
    """
    thin = {number: counts[number] for number in sorted(thin_ids(mask.ids))}
    if mask.soft and thin:
        raise InputError(
            f"mask {mask.path} has soft edges ({len(mask.soft)} colours or numbers that nowhere fill 3 x 3 "
            f"pixels), and {mask.listed(thin)} may be more of them or objects: {ADVICE}."
        )
    if mask.soft:
        yield (
            "soft edges",
            f"mask {mask.path} has soft edges: {mask.listed(mask.soft)} nowhere fill 3 x 3 pixels and count "
            f"as the nearest colour beside them; its objects are {mask.listed(counts)}. If that is wrong, "
            f"{ADVICE}",
        )
    elif len(thin) >= MANY:
        yield (
            "thin",
            f"mask {mask.path} has {len(counts)} objects, and {len(thin)} of them nowhere fill 3 x 3 pixels: "
            f"{mask.listed(thin)}. If these are no objects, {ADVICE}",
        )
    if len(counts) > 1 and mask.ids.all():
        yield (
            "no background",
            f"mask {mask.path} shows no background, so all its {len(counts)} colours are objects: paint the "
            "background black if that is wrong",
        )
    elif mask.colours[0] != BLACK and not mask.ids.all():
        yield (
            "entry 0",
            f"mask {mask.path} shows the background, entry 0 of its palette, in #{mask.colours[0]:06x}: "
            "paint the background black if that is wrong",
        )


def _check_distinct(shown: Mapping[Path, tuple[str, Mapping[int, int]]]) -> None:
    """Check that no palette shows a label in the colour of the background or of another label."""
    for path, (_, used) in shown.items():
        if BLACK in used.values() or len(set(used.values())) < len(used):
            raise InputError(
                f"mask {path} has labels that its palette shows in black or in one colour, and other "
                "masks tell objects by colour: save all masks in one way, with palettes or in RGB."
            )


def _warn_of_strangers(shown: Mapping[Path, tuple[str, Mapping[int, int]]], by_colour: bool) -> None:
    """Warn when masks of two kinds have no object in common, which may be intended."""
    first: dict[str, Path] = {}
    found: dict[str, set[int]] = {}
    for path, (kind, used) in shown.items():
        if used:
            first.setdefault(kind, path)
            found.setdefault(kind, set()).update(used.values() if by_colour else used)
    if len(found) > 1 and sum(map(len, found.values())) == len(set().union(*found.values())):
        log.warning(
            "the masks are of several kinds (%s), and none of their objects is the same: "
            "save all in one way if one should be.",
            ", ".join(f"{path.name} is {kind}" for kind, path in first.items()),
        )
