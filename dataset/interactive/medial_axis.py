"""The medial axis of a region, equal to scikit-image's, in a tenth of the time for a small region.

scikit-image builds its table of neighbourhoods in each call, and works on the whole picture.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label

EIGHT = np.ones((3, 3), int)
PLACES = 1 << np.arange(9).reshape(3, 3)  # bit of each neighbour, row by row
CENTRE = 1 << 4


def medial_axis(region: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.bool_]:
    """Thin a region from the border inwards, keeping it connected.

    Args:
        region: region `H x W`; it ends at the border of the picture.
        random: generator that orders pixels of equal depth and number of neighbours.

    Returns:
        `H x W`, True on the axis.
    """
    axis = np.zeros_like(region)
    left, top, width, height = cv2.boundingRect(region.astype(np.uint8))
    place = np.s_[top : top + height, left : left + width]
    padded = np.pad(region[place], 1)
    pixels = np.flatnonzero(padded)
    depth = distance_transform_edt(padded).ravel()[pixels]
    neighbours = cv2.filter2D(padded.astype(np.uint8), -1, np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT)
    tie = random.permutation(np.arange(len(pixels)))
    order = pixels[np.lexsort((tie, 9 - neighbours.ravel()[pixels], depth))]
    kept = bytearray(padded.astype(np.uint8).tobytes())
    _thin(kept, order.tolist(), padded.shape[1])
    axis[place] = np.frombuffer(kept, np.uint8).reshape(padded.shape)[1:-1, 1:-1]
    return axis


def _thin(kept: bytearray, order: list[int], width: int) -> None:
    """Remove unneeded pixels one after another; pixels are positions in rows of `width`."""
    for at in order:
        above, below = at - width, at + width
        code = (
            kept[above - 1]
            | kept[above] << 1
            | kept[above + 1] << 2
            | kept[at - 1] << 3
            | CENTRE
            | kept[at + 1] << 5
            | kept[below - 1] << 6
            | kept[below] << 7
            | kept[below + 1] << 8
        )
        kept[at] = _NEEDED[code]


def _is_needed(code: int) -> bool:
    """Return whether the middle pixel of 3 x 3 connects other pixels, or ends a line."""
    square = (code & PLACES) > 0
    parts, parts_without = (label(part, EIGHT)[1] for part in (square, square & (PLACES != CENTRE)))
    return bool(parts != parts_without or square.sum() < 3)


_NEEDED = bytes(_is_needed(code | CENTRE) for code in range(512))
