"""Palettes: the colours of labels."""

from collections.abc import Sequence

COLOURS = 256  # a shorter palette would destroy larger labels when it is written


def voc_palette() -> list[int]:
    """Return the PASCAL VOC palette, 256 colours as R G B R G B ...

    The bits of a label go to red, green and blue alternately, low bits to high bits of a channel.
    """
    return [
        sum((label >> (3 * i + channel) & 1) << (7 - i) for i in range(8))
        for label in range(COLOURS)
        for channel in range(3)
    ]


def extend_palette(colours: Sequence[int] | None) -> list[int]:
    """Extend colours (R G B R G B ...) to a palette of 256 different labels.

    A label without a colour gets its VOC colour, or an unused VOC colour when that is taken.
    """
    standard = voc_palette()
    known = list(colours or standard)[: 3 * COLOURS]
    triples = [tuple(known[i : i + 3]) for i in range(0, len(known) // 3 * 3, 3)]
    taken = set(triples)
    spare = [tuple(standard[i : i + 3]) for i in range(3 * COLOURS - 3, -1, -3)]
    for label in range(len(triples), COLOURS):
        own = tuple(standard[3 * label : 3 * label + 3])
        colour = own if own not in taken else next(each for each in spare if each not in taken)
        triples.append(colour)
        taken.add(colour)
    return [channel for triple in triples for channel in triple]
