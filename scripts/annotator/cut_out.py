"""Cut-outs: the opacity of objects, with hard or soft edges."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from util.errors import InputError

WIDEST_FEATHER = 20.0  # pixels
MOST_CHOKE = 10.0
RIM = 9  # pixels around the objects that keep their colours where they are transparent: edges stay clean


@dataclass(frozen=True)
class Edge:
    """The edge of what is cut out.

    Attributes:
        feather: width in pixels over which opacity falls from 1 to 0; 0 for a hard edge.
        choke: pixels by which the edge moves inward; outward when negative.

    Raises:
        InputError: one is out of range.
    """

    feather: float = 0.0
    choke: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.feather <= WIDEST_FEATHER:
            raise InputError(f"feather must be from 0 to {WIDEST_FEATHER:g} pixels.")
        if not abs(self.choke) <= MOST_CHOKE:
            raise InputError(f"choke must be from -{MOST_CHOKE:g} to {MOST_CHOKE:g} pixels.")


def checked_edge(raw: Mapping[str, Any]) -> Edge:
    """Return the edge of the "feather" and "choke" that a page or the command line gives."""
    try:
        feather, choke = float(raw.get("feather", 0)), float(raw.get("choke", 0))
    except (TypeError, ValueError) as error:
        raise InputError("feather and choke must be numbers of pixels.") from error
    return Edge(feather, choke)


def opacity(inside: NDArray[np.bool_], edge: Edge) -> NDArray[np.uint8]:
    """Return the opacity `H x W` of objects, 0 to 255.

    It is half at `choke` pixels inside the outline and falls along a straight line across `feather` pixels.
    The border of the picture is no outline.

    Args:
        inside: the objects' pixels, `H x W`.
        edge: where opacity falls, and how softly.
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
