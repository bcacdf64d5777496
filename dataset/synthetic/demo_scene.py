"""The scene of the demo clip: parts of photographs that come with scikit-image, in motion."""

from pathlib import Path

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray

from dataset.image_io import read_image
from dataset.synthetic.scene import BACKGROUND_SIZE, GRAIN_MARGIN, Motion, Scene, SyntheticObject

# Read as files, since skimage.data's functions would download a file with another checksum.
PHOTOGRAPHS = Path(skimage.__file__).parent / "data"
FRAMES, HEIGHT, WIDTH = 60, 240, 432
ENTRY = 22  # the first frame that shows the late object
GRAIN = 2.0  # standard deviation of the sensor's noise
FILLED = 0.94  # share of the texture's side that a cut-out fills
FINE = 4  # factor by which outlines are drawn larger, for soft edges


def swing(middle: float, reach: float, period: float, phase: float = 0) -> Motion:
    """Return a sine around `middle` with amplitude `reach` and a period of `period` frames."""
    return lambda time: float(middle + reach * np.sin(2 * np.pi / period * time + phase))


def glide_in(start: float, end: float) -> Motion:
    """Return the path of an object that enters the frame at `ENTRY` and slows down on its way to `end`.

    Most of it is visible at once, so that its first mask shows what it looks like.
    """

    def path(time: float) -> float:
        since = time - ENTRY
        return 10.0 if since < -0.5 else end + (start - end) * float(np.exp(-since / 6))

    return path


def demo_scene(random: np.random.Generator) -> Scene:
    """Return the scene; `random` only draws the grain.

    Objects 1 and 2 are visible from the start, and 1 passes in front of 2; 3 comes later.
    """
    size = round(WIDTH * BACKGROUND_SIZE), round(HEIGHT * BACKGROUND_SIZE)
    background = cv2.resize(read_image(PHOTOGRAPHS / "rocket.jpg"), size, interpolation=cv2.INTER_AREA)
    margins = HEIGHT + GRAIN_MARGIN, WIDTH + GRAIN_MARGIN, 1
    grain = np.round(random.normal(scale=GRAIN, size=margins)).astype(np.int16)
    return Scene(
        HEIGHT,
        WIDTH,
        [_cat(), _cup(), _moon()],
        background,
        (swing(0, 0.12, 120, -1), swing(0, 0.06, 100), swing(1.15, 0.06, 140), swing(0, 0.03, 110)),
        # from the upper left, so that flat cut-outs change in brightness as they turn
        (swing(-0.9, 0.2, 90), swing(-0.7, 0.1, 90), swing(1.15, 0.05, 80), swing(0, 0.02, 100)),
        np.repeat(grain, 3, axis=2),
    )


def _cat() -> SyntheticObject:
    outline = _points(
        "42,40 70,12 130,2 220,2 300,8 335,40 352,80 360,130 346,175 324,215 312,262 255,284 200,276 150,262 "
        "108,238 92,205 58,160 48,110 38,70"
    )
    paths = (
        swing(-0.3, 0.7, 130, -1.5),
        swing(-0.06, 0.1, 70, 1),
        swing(0.98, 0.1, 80),
        swing(0.0, 0.22, 75, 2),
        swing(0, 0.25, 90),
        swing(0, 0.35, 65, 1),
    )
    bends = [[2.2, 0.6, 0.03, 0.05, 0.16, 0], [-0.7, 1.9, 0.05, 0.02, 0.12, 2]]
    return _cut_out("chelsea.png", outline, 0.5, paths, bends)


def _cup() -> SyntheticObject:
    outline = _points(
        "78,205 85,250 115,310 170,355 235,382 285,389 340,383 405,350 455,295 477,225 470,180 450,140 "
        "418,106 424,78 412,67 395,72 375,45 340,25 290,18 240,24 200,45 180,72 145,88 108,128 85,170"
    )
    paths = (
        swing(-0.1, 0.8, 140, 1.9),
        swing(0.18, 0.12, 90, 0),
        swing(1.3, 0.12, 70, 2),
        swing(0.05, 0.2, 110),
        swing(0, 0.3, 80, 1),
        swing(0, 0.3, 100, 2),
    )
    return _cut_out("coffee.png", outline, 0.6, paths, [[1.8, -1.2, 0.03, 0.03, 0.1, 1]])


def _moon() -> SyntheticObject:
    angles = np.arange(32) * np.pi / 16
    outline = np.round(256 + 236 * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    paths = (
        glide_in(1.5, 1.05),
        swing(-0.1, 0.14, 60, 1),
        swing(1.1, 0.08, 60),
        swing(0.0, 0.15, 50),
        swing(0, 0.2, 70),
        swing(0, 0.3, 60, 1),
    )
    return _cut_out("moon.png", outline, 0.45, paths, [[0.4, 2.0, 0.05, 0.0, 0.14, 0]])


def _points(text: str) -> NDArray[np.float64]:
    return np.array([point.split(",") for point in text.split()], float)


def _cut_out(
    photograph: str,
    outline: NDArray[np.float64],
    radius: float,
    paths: tuple[Motion, ...],
    bends: list[list[float]],
) -> SyntheticObject:
    """Cut a part out of a photograph, into the middle of a square texture.

    Args:
        photograph: file name of the photograph.
        outline: corners (x, y) in pixels of the photograph, `N x 2`.
        radius: half the larger side, in half heights of the frame.
        paths: see `SyntheticObject`.
        bends: see `SyntheticObject`.
    """
    middle, reach = (outline.max(0) + outline.min(0)) / 2, np.ptp(outline, axis=0).max() / FILLED
    size = round(radius * HEIGHT * 1.15)  # about one texel per pixel
    picture, margin = read_image(PHOTOGRAPHS / photograph), int(np.ceil(reach))
    padded = cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    left, top = np.round(middle - reach / 2 + margin).astype(int)
    part = padded[top : top + round(reach), left : left + round(reach)]
    colour = cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)
    drawn = np.zeros((size * FINE, size * FINE), np.uint8)
    corners = ((outline - middle) * (size / reach) + size / 2) * FINE
    cv2.fillPoly(drawn, [np.round(corners).astype(np.int32)], 255)
    alpha = cv2.resize(cv2.GaussianBlur(drawn, (0, 0), FINE / 2), (size, size), interpolation=cv2.INTER_AREA)
    return SyntheticObject(colour, alpha, radius, paths, np.array(bends))
