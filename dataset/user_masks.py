"""What the masks of a user mean together: which pixels of files of any kind are the same object.

- A paletted or grey mask gives numbers, and the same number is the same object.
- A mask in RGB gives colours (so does a palette whose entry 0 is no background, see `mask_format`), and the
  same colour is the same object. As soon as one mask gives colours, all do: a number of a palette by its
  entry, a grey level v as (v, v, v), white of one bit as white.
- Among numbers, a grey level that no palette uses is the object that a palette shows in that grey; among
  colours, a level whose grey no colour mask has is the object of the same number in a palette, or of the
  standard colour of that number.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.image_io import joined_palette, opened, read_colours, read_label_map, read_palette
from dataset.mask_format import grey_step
from dataset.soft_edges import Colour, blends, id_counts, thin_ids
from util.errors import InputError
from util.palette import full_palette, voc_palette

log = logging.getLogger(__name__)

BLACK, WHITE = 0, 0xFFFFFF
FAINT = 8  # grey levels above black: what lossy formats leave of black
LISTED = 60  # ids in a message
MANY_OBJECTS = 50  # in one mask, more are rather shades than objects,
MANY_IDS, MANY_THIN = 5, 3  # and so it may be when there are so many, and so many of them thin


class Kind(Enum):
    """How a mask gives its objects."""

    BIT = "black and white"
    GREY = "grey"
    PALETTE = "paletted"
    COLOUR = "in colour"


@dataclass(frozen=True)
class MaskIds:
    """A mask as ids: numbers, or packed colours (R * 65536 + G * 256 + B).

    Attributes:
        path: the file.
        kind: how it gives objects.
        ids: `H x W`, 0 is background, soft edges counted as what they are nearer to.
        colours: packed colour of each id.
        soft: pixels of each id that was a soft edge.
        bodies: the ids that soft edges count as.
    """

    path: Path
    kind: Kind
    ids: NDArray[np.integer]
    colours: Mapping[int, int]
    soft: Mapping[int, int]
    bodies: Set[int]

    def called(self, number: int) -> str:
        """Return what to call an id in a message."""
        return f"#{number:06x}" if self.kind is Kind.COLOUR else str(number)

    def listed(self, counts: Mapping[int, int]) -> str:
        """Return ids with their pixels, for a message."""
        items = [f"{self.called(number)} ({count} px)" for number, count in counts.items()]
        more = f" and {len(items) - LISTED} more" if len(items) > LISTED else ""
        return ", ".join(items[:LISTED]) + more


def read_ids(path: Path) -> MaskIds:
    """Read a mask of any kind; raises InputError when it is none."""
    colours = read_colours(path)
    background: Colour = (0, 0, 0)
    if colours is not None:
        red, green, blue = np.moveaxis(colours.astype(np.uint32), -1, 0)
        ids: NDArray[np.integer] = red << 16 | green << 8 | blue
        kind, packed = Kind.COLOUR, {number: number for number in np.unique(ids).tolist()}
    else:
        ids = read_label_map(path, lone_void=True)
        kind, table = _table(path)
        packed = dict(enumerate(table))
        background = _unpacked(table[0])
    triples = {number: _unpacked(packed[number]) for number in packed} | {0: background}
    edges = blends(ids, triples)
    counts = id_counts(ids) if edges else {}
    if edges:
        ids = ids.copy()
        for number, target in edges.items():
            ids[ids == number] = target
    return MaskIds(
        path, kind, ids, packed, {number: counts[number] for number in sorted(edges)}, {*edges.values()} - {0}
    )


def _table(path: Path) -> tuple[Kind, list[int]]:
    """Return how a mask without colours gives objects, and the packed colour of each number."""
    palette = read_palette(path)
    if palette is not None:
        red, green, blue = np.array(full_palette(palette)).reshape(-1, 3).T
        return Kind.PALETTE, (red << 16 | green << 8 | blue).tolist()
    with opened(path) as image:
        kind, step = Kind.BIT if image.mode == "1" else Kind.GREY, grey_step(image)
    return kind, [min(255, level * step) * 0x10101 for level in range(256)]


def _unpacked(colour: int) -> Colour:
    return colour >> 16, colour >> 8 & 255, colour & 255


@dataclass(frozen=True)
class UserLabels:
    """Reads masks of any kind as labels `H x W` that mean the same in all of them; 0 is background.

    Attributes:
        by_colour: labels of packed colours, numbered in order of appearance, within a mask by value; None
            when all masks give numbers.
        other_names: of numbers, by kind: labels (or packed colours) that stand for the same object.
        palette: colours of the labels, so that results look like the masks given.
    """

    by_colour: Mapping[int, int] | None
    other_names: Mapping[tuple[Kind, int], int]
    palette: list[int]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "UserLabels":
        """Look at all masks.

        Raises:
            InputError: one is no mask, there are more than 255 colours, or a palette shows two of its
                labels alike while other masks tell objects by colour.
        """
        seen: dict[Kind, dict[int, int]] = {}  # kind to the ids that masks of it use, with a colour
        order: list[tuple[Kind, dict[int, int]]] = []
        soft: list[tuple[MaskIds, dict[int, int]]] = []
        many: list[tuple[MaskIds, dict[int, int]]] = []
        for path in paths:
            mask = read_ids(path)
            counts = id_counts(mask.ids)
            used = {number: mask.colours[number] for number in counts}
            seen[mask.kind] = used | seen.get(mask.kind, {})
            order.append((mask.kind, used))
            if mask.soft:
                _check_told_apart(mask, counts)
                soft.append((mask, counts))
            if mask.kind is Kind.COLOUR and WHITE in counts and len(counts) > 1 and mask.ids.all():
                log.warning(
                    "mask %s has no black, so white (%d px) is an object, too: paint the background black.",
                    *(path, counts[WHITE]),
                )
            if _is_suspicious(mask, counts):
                many.append((mask, counts))
            if len(seen.get(Kind.COLOUR, {})) > 255:
                raise InputError(
                    f"{path} brings the number of colours above 255, and each is an object: "
                    "draw masks without soft edges, and save them without JPEG compression."
                )
        _warn_of_soft_edges(soft)
        _warn_of_many(many)
        if Kind.COLOUR in seen:
            names = _colours_of_numbers(seen)
            _check_distinct(zip(paths, order, strict=True))
            keys = (names.get((kind, n), used[n]) for kind, used in order for n in used)
            by_colour = {colour: label for label, colour in enumerate(dict.fromkeys(keys), start=1)}
            if len(by_colour) > 255:
                raise InputError(
                    f"the masks beside {paths[0]} show {len(by_colour)} objects: 255 are the most."
                )
            listed = [channel for colour in (0, *by_colour) for channel in _unpacked(colour)]
            labels = cls(by_colour, names, full_palette(listed))
        else:
            labels = cls(None, _numbers_of_levels(seen), joined_palette(paths))
        labels._warn_of_strangers(paths, order)
        return labels

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """Read a mask as labels `H x W`."""
        mask = read_ids(path)
        if self.by_colour is None and not self.other_names:
            return mask.ids.astype(np.uint8)
        labels = np.zeros(mask.ids.shape, np.uint8)
        for number in id_counts(mask.ids):
            labels[mask.ids == number] = self.label(mask.kind, number, mask.colours[number])
        return labels

    def label(self, kind: Kind, number: int, colour: int) -> int:
        """Return the label of an id of a mask, given the packed colour that it has there."""
        name = self.other_names.get((kind, number))
        if self.by_colour is None:
            return number if name is None else name
        return self.by_colour[colour if name is None else name]

    def _warn_of_strangers(self, paths: Sequence[Path], order: Sequence[tuple[Kind, dict[int, int]]]) -> None:
        """Say it when masks of two kinds have no object in common: it may have been meant."""
        found: dict[Kind, set[int]] = {}
        first: dict[Kind, Path] = {}
        for path, (kind, used) in zip(paths, order, strict=True):
            if used:
                first.setdefault(kind, path)
                found.setdefault(kind, set()).update(self.label(kind, n, used[n]) for n in used)
        if len(found) > 1 and sum(map(len, found.values())) == len(set().union(*found.values())):
            log.warning(
                "the masks are of several kinds (%s), and none of their objects is the same: "
                "save all in one way if one should be.",
                ", ".join(f"{first[kind].name} is {kind.value}" for kind in found),
            )


def _numbers_of_levels(seen: Mapping[Kind, Mapping[int, int]]) -> dict[tuple[Kind, int], int]:
    """Return which label a level of a grey mask stands for where it is not its own number."""
    palette, grey = seen.get(Kind.PALETTE, {}), seen.get(Kind.GREY, {})
    by_colour = {colour: number for number, colour in reversed(list(palette.items()))}
    names = {
        (Kind.GREY, level): by_colour[colour]
        for level, colour in grey.items()
        if level not in palette and colour in by_colour
    }
    if 255 not in palette:
        one = 1 if 255 not in grey and 1 in palette.keys() | grey.keys() else 255
        names[Kind.BIT, 255] = by_colour.get(WHITE, one)
    return names


def _colours_of_numbers(seen: Mapping[Kind, Mapping[int, int]]) -> dict[tuple[Kind, int], int]:
    """Return which packed colour a level of a grey mask stands for where it is not its own grey."""
    colours, palette = seen[Kind.COLOUR], seen.get(Kind.PALETTE, {})
    red, green, blue = np.array(voc_palette()).reshape(-1, 3).T
    standard = (red << 16 | green << 8 | blue).tolist()
    names = {}
    for level, colour in seen.get(Kind.GREY, {}).items():
        if colour not in colours:
            if level in palette:
                names[Kind.GREY, level] = palette[level]
            elif standard[level] in colours:
                names[Kind.GREY, level] = standard[level]
    return names


def _check_distinct(masks: Iterable[tuple[Path, tuple[Kind, dict[int, int]]]]) -> None:
    """Make sure that no palette shows a label as background or as another one."""
    for path, (_, used) in masks:
        if BLACK in used.values() or len(set(used.values())) < len(used):
            raise InputError(
                f"mask {path} has labels that its palette shows in black or in one colour, and other "
                "masks tell objects by colour: save all masks in one way, with palettes or in RGB."
            )


def _check_told_apart(mask: MaskIds, counts: Mapping[int, int]) -> None:
    """Make sure that beside soft edges no ids are left that look like more of them.

    Raises:
        InputError: thin ids are, or one of nearly the background's colour.
    """
    left = thin_ids(mask.ids)
    faint = {n for n in counts if 0 < max(_unpacked(mask.colours[n])) < FAINT}
    if len(left) >= MANY_THIN or faint:
        raise InputError(
            f"mask {mask.path} has soft edges that cannot be told from objects: of its "
            f"{len(counts) + len(mask.soft)} ids, {len(mask.soft)} are blends, but "
            f"{mask.listed({n: counts[n] for n in sorted(left | faint)})} may be either: draw it without "
            "soft edges, and do not save it with a lossy format in between."
        )


def _warn_of_soft_edges(soft: Sequence[tuple[MaskIds, dict[int, int]]]) -> None:
    if soft:
        mask, counts = soft[0]
        log.warning(
            "mask %s has soft edges: %s are blends at the border of %s, and count as that or as what is "
            "behind, whatever is nearest%s; draw masks without soft edges.",
            *(mask.path, mask.listed(mask.soft), mask.listed({n: counts[n] for n in sorted(mask.bodies)})),
            f" ({len(soft) - 1} more masks have such)" if len(soft) > 1 else "",
        )


def _is_suspicious(mask: MaskIds, counts: Mapping[int, int]) -> bool:
    few = len(counts) < MANY_IDS or len(thin_ids(mask.ids)) < MANY_THIN
    return len(counts) > MANY_OBJECTS or not few


def _warn_of_many(masks: Sequence[tuple[MaskIds, dict[int, int]]]) -> None:
    if masks:
        mask, counts = masks[0]
        log.warning(
            "mask %s has %d labels, and each is an object: if that is too many, draw it without soft edges%s;"
            " those of few pixels or thin lines are %s.",
            *(mask.path, len(counts), f" ({len(masks) - 1} more masks are such)" if len(masks) > 1 else ""),
            mask.listed({number: counts[number] for number in sorted(thin_ids(mask.ids))}) or "none",
        )
