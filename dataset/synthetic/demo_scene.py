"""The scene of the demo clip: parts of photographs that come with scikit-image, in motion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray

from dataset.image_io import read_image
from dataset.synthetic.bending_object import Motion, Picture, SyntheticObject
from dataset.synthetic.scene import BACKGROUND_SIZE, Camera, Lighting, Scene

# Read as files, since skimage.data's functions would download a file with another checksum.
PHOTOGRAPHS = Path(skimage.__file__).parent / "data"
BACKGROUND = "rocket.jpg"
FRAMES, HEIGHT, WIDTH = 60, 240, 432
ENTRY = 22  # the first frame that shows the late object
GRAIN = 2.0  # standard deviation of the sensor's noise
FILLED = 0.94  # share of the texture's side that a cut-out fills
FINE = 4  # factor by which outlines are drawn larger, for soft edges


@dataclass(frozen=True)
class CutOut:
    """A part of a photograph and its motion.

    Attributes:
        photograph: file name of the photograph.
        outline: corners `x,y x,y ...` in pixels of the photograph.
        radius: half the larger side, in half heights of the frame.
        paths: see `SyntheticObject`.
        bends: see `SyntheticObject`.
    """

    photograph: str
    outline: str
    radius: float
    paths: tuple[Motion, ...]
    bends: Sequence[tuple[float, ...]]


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


# Objects 1 and 2 are visible from the start, and 1 passes in front of 2; 3 comes later.
CUT_OUTS = (
    CutOut(  # the cat's face
        "chelsea.png",
        "42,40 70,12 130,2 220,2 300,8 335,40 352,80 360,130 346,175 324,215 312,262 "
        "255,284 200,276 150,262 108,238 92,205 58,160 48,110 38,70",
        0.5,
        (
            swing(-0.3, 0.7, 130, -1.5),
            swing(-0.06, 0.1, 70, 1),
            swing(0.98, 0.1, 80),
            swing(0.0, 0.22, 75, 2),
            swing(0, 0.25, 90),
            swing(0, 0.35, 65, 1),
        ),
        ((2.2, 0.6, 0.03, 0.05, 0.16, 0), (-0.7, 1.9, 0.05, 0.02, 0.12, 2)),
    ),
    CutOut(  # the cup with its saucer
        "coffee.png",
        "78,205 85,250 115,310 170,355 235,382 285,389 340,383 405,350 455,295 477,225 470,180 "
        "450,140 418,106 424,78 412,67 395,72 375,45 340,25 290,18 240,24 200,45 180,72 "
        "145,88 108,128 85,170",
        0.6,
        (
            swing(-0.1, 0.8, 140, 1.9),
            swing(0.18, 0.12, 90, 0),
            swing(1.3, 0.12, 70, 2),
            swing(0.05, 0.2, 110),
            swing(0, 0.3, 80, 1),
            swing(0, 0.3, 100, 2),
        ),
        ((1.8, -1.2, 0.03, 0.03, 0.1, 1),),
    ),
    CutOut(  # a disc of the moon
        "moon.png",
        "492,256 487,302 474,346 452,387 423,423 387,452 346,474 302,487 256,492 210,487 "
        "166,474 125,452 89,423 60,387 38,346 25,302 20,256 25,210 38,166 60,125 "
        "89,89 125,60 166,38 210,25 256,20 302,25 346,38 387,60 423,89 452,125 "
        "474,166 487,210",
        0.45,
        (
            glide_in(1.5, 1.05),
            swing(-0.1, 0.14, 60, 1),
            swing(1.1, 0.08, 60),
            swing(0.0, 0.15, 50),
            swing(0, 0.2, 70),
            swing(0, 0.3, 60, 1),
        ),
        ((0.4, 2.0, 0.05, 0.0, 0.14, 0),),
    ),
)


def demo_scene(random: np.random.Generator) -> Scene:
    """Return the scene; `random` only draws the grain."""
    size = round(WIDTH * BACKGROUND_SIZE), round(HEIGHT * BACKGROUND_SIZE)
    background = cv2.resize(read_image(PHOTOGRAPHS / BACKGROUND), size, interpolation=cv2.INTER_AREA)
    grain = np.round(random.normal(scale=GRAIN, size=(HEIGHT + 64, WIDTH + 64, 1))).astype(np.int16)
    return Scene(
        HEIGHT,
        WIDTH,
        [_cut(cut_out) for cut_out in CUT_OUTS],
        background,
        Camera(swing(0, 0.12, 120, -1), swing(0, 0.06, 100), swing(1.15, 0.06, 140), swing(0, 0.03, 110)),
        # from the upper left, so that flat cut-outs change in brightness as they turn
        Lighting(swing(-0.9, 0.2, 90), swing(-0.7, 0.1, 90), swing(1.15, 0.05, 80), swing(0, 0.02, 100), 0.2),
        np.repeat(grain, 3, axis=2),
    )


def _cut(cut_out: CutOut) -> SyntheticObject:
    """Cut a part out of its photograph, into the middle of a square texture."""
    picture = read_image(PHOTOGRAPHS / cut_out.photograph)
    outline = np.array([corner.split(",") for corner in cut_out.outline.split()], float)
    middle, reach = (outline.max(0) + outline.min(0)) / 2, np.ptp(outline, axis=0).max() / FILLED
    size = round(cut_out.radius * HEIGHT * 1.15)  # about one texel per pixel
    shrink = size / reach
    colour = _square_part(picture, middle, reach, size)
    drawn = np.zeros((size * FINE, size * FINE), np.uint8)
    corners = ((outline - middle) * shrink + size / 2) * FINE
    cv2.fillPoly(drawn, [np.round(corners).astype(np.int32)], 255)
    alpha = cv2.resize(cv2.GaussianBlur(drawn, (0, 0), FINE / 2), (size, size), interpolation=cv2.INTER_AREA)
    return SyntheticObject(colour, alpha, cut_out.radius, cut_out.paths, np.array(cut_out.bends, float))


def _square_part(picture: Picture, middle: NDArray[np.float64], side: float, size: int) -> Picture:
    """Return the square of a picture around a point, resized to `size x size`; the borders are replicated."""
    margin = int(np.ceil(side))
    padded = cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    left, top = np.round(middle - side / 2 + margin).astype(int)
    part = padded[top : top + round(side), left : left + round(side)]
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)
