"""Drawings of correspondences: the source with the selection, the target with a heat map and matches.

Pictures are RGB, `H x W x 3` uint8, and arguments are not changed. A view is a picture at a size that suits a
screen, with a line of text under it.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from model.correspondence import STRIDE
from model.padding import Padding

Picture = NDArray[np.uint8]
Point = tuple[float, float]  # x, y in pixels

LARGEST = (960, 720)  # width and height to which larger pictures are reduced
SMALL_SIDE = 480  # longer side to which smaller pictures are enlarged
SMALLEST = (480, 240)  # smallest width and height of a view, so that text and help fit
CAPTION = 30  # height of the line of text
GAP = 8  # pixels between the two views of a saved picture

DARK = (24, 26, 30)
LIGHT = (232, 234, 238)
REGION = (64, 220, 120)
FONT = ImageFont.load_default(14)  # comes with Pillow
HEAT_OPACITY = 0.85
BACKDROP = 0.45  # opacity of the target behind its heat map


def view_scale(size: tuple[int, int]) -> float:
    """Return the scale of the view of a picture of `size` (H, W)."""
    height, width = size
    enlarged = max(1.0, SMALL_SIDE / max(height, width))
    return min(enlarged, LARGEST[0] / width, LARGEST[1] / height)


def resized(picture: Picture, scale: float) -> Picture:
    """Return a picture at the scale of its view."""
    if scale == 1:
        return picture
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def to_view(point: Point, scale: float) -> Point:
    """Return the view position of a picture position."""
    return (point[0] + 0.5) * scale - 0.5, (point[1] + 0.5) * scale - 0.5


def to_picture(point: Point, scale: float) -> Point:
    """Return the picture position of a view position."""
    return (point[0] + 0.5) / scale - 0.5, (point[1] + 0.5) / scale - 0.5


def with_heat(view: Picture, heat: NDArray[np.float32], padding: Padding, scale: float) -> Picture:
    """Draw a heat map over a resized picture, which is darkened.

    Args:
        view: picture at `scale`.
        heat: heat map `h x w` on the stride-16 grid of the padded picture, in [0, 1].
        padding: padding of the picture.
        scale: scale of the view.
    """
    left, _, top, _ = padding
    step = 1 / (scale * STRIDE)  # grid cells per view pixel
    x, y = ((0.5 / scale + before) / STRIDE - 0.5 for before in (left, top))
    to_grid = np.array([[step, 0, x], [0, step, y]], np.float32)
    size = view.shape[1], view.shape[0]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(heat, to_grid, size, flags=flags, borderMode=cv2.BORDER_REPLICATE).clip(0, 1)
    colours = cv2.applyColorMap((fine * 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    grey = cv2.cvtColor(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    backdrop = cv2.addWeighted(view, 1 - BACKDROP, grey, BACKDROP * 0.6, 0)
    opacity = cv2.merge([np.sqrt(fine) * np.float32(HEAT_OPACITY)] * 3)
    return (backdrop + (colours - backdrop.astype(np.float32)) * opacity).astype(np.uint8)


def with_region(view: Picture, mask: NDArray[np.bool_]) -> Picture:
    """Tint and outline a region `H x W` (at the picture's size)."""
    size = view.shape[1], view.shape[0]
    covered = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    tint = np.full_like(view, REGION)
    result = cv2.copyTo(cv2.addWeighted(view, 0.55, tint, 0.45, 0), covered, view.copy())
    contours, _ = cv2.findContours(covered, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(result, contours, -1, LIGHT, 1, cv2.LINE_AA)


def with_points(view: Picture, points: Sequence[Point], scale: float) -> Picture:
    """Mark picture positions with rings, numbered when there are several."""
    result = view.copy()
    for number, point in enumerate(points, start=1):
        x, y = to_view(point, scale)
        centre = round(x), round(y)
        for radius, colour, thickness in ((9, DARK, 5), (9, LIGHT, 2), (2, DARK, 3), (1, LIGHT, 2)):
            cv2.circle(result, centre, radius, colour, thickness, cv2.LINE_AA)
        if len(points) > 1:
            place = (round(x + 14 if x + 30 < view.shape[1] else x - 24), max(round(y - 8), 16))
            for colour, thickness in ((DARK, 4), (LIGHT, 1)):
                cv2.putText(result, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness)
    return result


def with_caption(view: Picture, text: str, hint: str = "") -> Picture:
    """Put a view on a dark background with a line of text under it, and a hint at the right if it fits."""
    height, width = max(view.shape[0], SMALLEST[1]), max(view.shape[1], SMALLEST[0])
    result = np.full((height + CAPTION, width, 3), DARK, np.uint8)
    result[: view.shape[0], : view.shape[1]] = view
    strip = Image.fromarray(result[height:])
    draw = ImageDraw.Draw(strip)
    draw.text((10, 6), text, LIGHT, FONT)
    hint_width = FONT.getlength(hint)
    if FONT.getlength(text) + hint_width + 44 < width:
        draw.text((width - 10 - hint_width, 6), hint, (150, 156, 166), FONT)
    result[height:] = np.asarray(strip)
    return result


def side_by_side(left: Picture, right: Picture) -> Picture:
    """Return two views in one picture."""
    height = max(left.shape[0], right.shape[0])
    result = np.full((height, left.shape[1] + GAP + right.shape[1], 3), DARK, np.uint8)
    result[: left.shape[0], : left.shape[1]] = left
    result[: right.shape[0], left.shape[1] + GAP :] = right
    return result
