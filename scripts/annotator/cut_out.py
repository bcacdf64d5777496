"""Cut-outs: the opacity of objects, with hard or soft edges."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

RIM = 9  # width in pixels of the transparent margin that keeps its colour: edges stay clean


class Edge(NamedTuple):
    """The edge of what is cut out."""

    feather: float = 0.0  # width in pixels over which opacity falls from 1 to 0; 0 for a hard edge
    choke: float = 0.0  # pixels by which the edge moves inward; outward when negative


def opacity(inside: NDArray[np.bool_], edge: Edge) -> NDArray[np.uint8]:
    """Return the opacity `H x W` of objects, 0 to 255.

    It is half at `choke` pixels inside the outline and falls along a straight line across `feather` pixels.
    The border of the picture is no outline.
    """
    if edge == Edge() or inside.all() or not inside.any():
        return inside.astype(np.uint8) * np.uint8(255)
    mask = inside.astype(np.uint8)
    to_outline = np.where(inside, _distance(mask) - 0.5, 0.5 - _distance(1 - mask)) - edge.choke
    if edge.feather == 0:
        return (to_outline > 0).astype(np.uint8) * np.uint8(255)
    return np.rint(np.clip(0.5 + to_outline / edge.feather, 0, 1) * 255).astype(np.uint8)


def cut_out(picture: NDArray[np.uint8], inside: NDArray[np.bool_], edge: Edge) -> NDArray[np.uint8]:
    """Return a picture `H x W x 3` with its opacity, `H x W x 4`; what is far from objects is black."""
    alpha = opacity(inside, edge)
    size = 2 * RIM + 1
    near = cv2.dilate((alpha > 0).astype(np.uint8), np.ones((size, size), np.uint8))
    return np.dstack([picture * near[:, :, None], alpha])


def _distance(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the distance of each pixel's centre to that of the nearest 0."""
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
