"""Thinning of a region to lines (T. Y. Zhang and C. Y. Suen, Communications of the ACM, 1984).

scikit-image's function of the same name differs from the published rule at the ends of lines.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = np.array(
    [[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32
)  # bit of each neighbour, clockwise from north


def thinned(region: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the skeleton of a region `H x W`, 0 or 1."""
    skeleton, changed = region.copy(), True
    while changed:
        changed = False
        for removable in _REMOVABLE:
            codes = cv2.filter2D(skeleton, cv2.CV_8U, NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
            removed = cv2.LUT(codes, removable) & skeleton
            skeleton ^= removed
            changed = changed or cv2.countNonZero(removed) > 0
    return skeleton


def _is_removable(code: int, triples: tuple[tuple[int, int, int], tuple[int, int, int]]) -> bool:
    """Return whether a pixel with these neighbours is removed; each triple needs an unset neighbour."""
    bits = [code >> place & 1 for place in range(8)]
    beginnings = sum(bits[place] < bits[(place + 1) % 8] for place in range(8))
    is_open = not any(all(bits[place] for place in triple) for triple in triples)
    return beginnings == 1 and 2 <= sum(bits) <= 6 and is_open


# Of each half step: north, east, south and west are neighbours 0, 2, 4 and 6.
_REMOVABLE = [
    np.array([_is_removable(code, triples) for code in range(256)], np.uint8)
    for triples in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6)))
]
