"""Pictures of a folder that hold more than one frame, or 16 bits of which fewer are used."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dataset.image_io import DEEP, frames_and_depth, read_levels
from util.errors import InputError

log = logging.getLogger(__name__)

USED_BITS = (8, 10, 12, 14, DEEP)  # what cameras and scanners store in 16


def bits_of_frames(pictures: Sequence[Path]) -> int:
    """Return how many bits 16-bit pictures of a folder use, one number for all, so that none flickers.

    Warns when that is fewer than 16, and when pictures hold several frames, of which the first is taken.
    Headers alone are read, but for 16-bit pictures until one of them uses all bits. What cannot be read
    is left to whoever reads it.
    """
    deep: list[Path] = []
    several: list[Path] = []
    for path in pictures:
        with suppress(InputError):
            frames, is_deep = frames_and_depth(path)
            several += [path] * (frames > 1)
            deep += [path] * is_deep
    if several:
        log.warning(
            "%s holds several frames (%d such pictures): the first of each is taken, as one frame.",
            *(several[0], len(several)),
        )
    return _used_bits(deep) if deep else DEEP


def _used_bits(deep: Sequence[Path]) -> int:
    largest = 0
    for path in deep:
        with suppress(InputError):
            largest = max(largest, int(read_levels(path).max()))
        if largest >> USED_BITS[-2]:
            return DEEP
    bits = next(bits for bits in USED_BITS if largest >> bits == 0)
    log.warning(
        "%s and the other 16-bit pictures there go up to %d: they are read as pictures of %d bits.",
        *(deep[0], largest, bits),
    )
    return bits
