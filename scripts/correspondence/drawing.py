"""Drawings of correspondences: the source with the selection, the target with a heat map and matches.

Pictures are RGB, `H x W x 3` uint8, and arguments are not changed.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from model.correspondence import STRIDE
from model.padding import Padding

Picture = NDArray[np.uint8]
Point = tuple[float, float]  # x, y in pixels

GAP = 8  # pixels between the two views of a saved picture
FINE = 480  # longer side of the pictures for which the sizes of marks are given
DARK = (24, 26, 30)
LIGHT = (232, 234, 238)
REGION = (64, 220, 120)
HEAT_OPACITY = 0.85
BACKDROP = 0.45  # opacity of the target behind its heat map


def draw_heat(picture: Picture, heat: NDArray[np.float32], padding: Padding) -> Picture:
    """Draw a heat map over a picture, which is darkened.

    Args:
        picture: the picture.
        heat: heat map `h x w` on the stride-16 grid of the padded picture, in [0, 1].
        padding: padding of the picture.
    """
    left, _, top, _ = padding
    x, y = ((0.5 + before) / STRIDE - 0.5 for before in (left, top))
    to_grid = np.array([[1 / STRIDE, 0, x], [0, 1 / STRIDE, y]], np.float32)
    size = picture.shape[1], picture.shape[0]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(heat, to_grid, size, flags=flags, borderMode=cv2.BORDER_REPLICATE).clip(0, 1)
    colours = cv2.applyColorMap((fine * 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    backdrop = cv2.addWeighted(picture, 1 - BACKDROP, grey, BACKDROP * 0.6, 0)
    opacity = cv2.merge([np.sqrt(fine) * np.float32(HEAT_OPACITY)] * 3)
    return (backdrop + (colours - backdrop.astype(np.float32)) * opacity).astype(np.uint8)


def draw_region(picture: Picture, mask: NDArray[np.bool_]) -> Picture:
    """Tint and outline a region `H x W`."""
    covered = mask.astype(np.uint8)
    tint = np.full_like(picture, REGION)
    result = cv2.copyTo(cv2.addWeighted(picture, 0.55, tint, 0.45, 0), covered, picture.copy())
    contours, _ = cv2.findContours(covered, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(result, contours, -1, LIGHT, _unit(picture), cv2.LINE_AA)


def draw_points(picture: Picture, points: Sequence[Point]) -> Picture:
    """Mark positions with rings, numbered when there are several."""
    result, unit = picture.copy(), _unit(picture)
    for number, (x, y) in enumerate(points, start=1):
        centre = round(x), round(y)
        for radius, colour, thickness in ((9, DARK, 5), (9, LIGHT, 2), (2, DARK, 3), (1, LIGHT, 2)):
            cv2.circle(result, centre, unit * radius, colour, unit * thickness, cv2.LINE_AA)
        if len(points) > 1:
            right = x + 30 * unit < picture.shape[1]
            corner = round(x + (14 if right else -24) * unit), max(round(y - 8 * unit), 16 * unit)
            for colour, thickness in ((DARK, 4), (LIGHT, 1)):
                font = cv2.FONT_HERSHEY_SIMPLEX, 0.5 * unit
                cv2.putText(result, str(number), corner, *font, colour, unit * thickness)
    return result


def join_views(left: Picture, right: Picture) -> Picture:
    """Return two views in one picture."""
    height = max(left.shape[0], right.shape[0])
    views = [
        cv2.copyMakeBorder(view, 0, height - view.shape[0], 0, gap, cv2.BORDER_CONSTANT, value=DARK)
        for view, gap in ((left, GAP), (right, 0))
    ]
    return cv2.hconcat(views)


def _unit(picture: Picture) -> int:
    return max(1, round(max(picture.shape) / FINE))
