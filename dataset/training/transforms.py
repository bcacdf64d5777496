"""Augmentation of training pictures and their masks.

Random parameters are drawn as plain values and then applied, so a picture and its mask share them. Pictures
are RGB, uint8 `H x W x 3`, interpolated bicubically or bilinearly. Masks are uint8 `H x W`, interpolated by
nearest neighbour unless stated. An affine fills pictures with the ImageNet mean colour, a thin-plate spline
with black; masks are filled with 0.

Resizing and greying are torchvision's. OpenCV does the warps (torchvision has no bicubic warp for tensors,
and its bilinear one takes twice the time), and colour jitter by a 3 x 4 matrix per step (a fifth of
torchvision's time, with the same result up to rounding).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

# Loader workers already run in parallel, and OpenCV's thread pool does not survive a fork.
cv2.setNumThreads(0)

IMAGE_FILL = (124, 116, 104)  # the ImageNet mean colour
ROUNDING = 1e-3  # grey levels added before truncation; more than the errors of float32
LUMA = np.array([0.299, 0.587, 0.114])

Random = np.random.Generator
Picture = NDArray[np.uint8]  # H x W x 3
Mask = NDArray[np.uint8]  # H x W
Matrix = NDArray[np.float64]
Adjustment = tuple[str, float]


@dataclass(frozen=True)
class JitterRange:
    """Ranges of colour jitter: factors are in 1 +- the number, the hue shift in +- `hue` turns."""

    brightness: float
    contrast: float
    saturation: float
    hue: float = 0.0

    def draw(self, random: Random) -> list[Adjustment]:
        """Draw the steps, in random order."""
        factors = {name: getattr(self, name) for name in ("brightness", "contrast", "saturation")}
        steps = [(name, random.uniform(1 - strength, 1 + strength)) for name, strength in factors.items()]
        if self.hue:
            steps.append(("hue", random.uniform(-self.hue, self.hue)))
        return [steps[i] for i in random.permutation(len(steps))]


def adjust(picture: Picture, steps: Sequence[Adjustment]) -> Picture:
    """Change brightness, contrast, saturation and hue one after another, each rounded to 8 bits."""
    for name, amount in steps:
        picture = _shift_hue(picture, amount) if name == "hue" else _mix(picture, name, amount)
    return picture


def _mix(picture: Picture, name: str, factor: float) -> Picture:
    """Blend with black, with the mean grey or with the grey picture."""
    matrix = np.zeros((3, 4))
    matrix[:, :3] = factor * np.eye(3)
    if name == "contrast":
        matrix[:, 3] = (1 - factor) * (LUMA @ cv2.mean(picture)[:3])
    elif name == "saturation":
        matrix[:, :3] += (1 - factor) * LUMA
    return cv2.transform(picture, matrix)


def _shift_hue(picture: Picture, turns: float) -> Picture:
    hue_saturation_value = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)
    hue_saturation_value[..., 0] += np.uint8(round(turns * 256) % 256)  # wraps around, as hue does
    return cv2.cvtColor(hue_saturation_value, cv2.COLOR_HSV2RGB_FULL)


def to_grey(picture: Picture) -> Picture:
    """Turn a picture to grey, in three channels."""
    return _interleaved(F.rgb_to_grayscale(_planes(picture), num_output_channels=3))


def _planes(picture: Picture) -> Tensor:
    return torch.from_numpy(np.require(picture, requirements="W")).permute(2, 0, 1)


def _interleaved(planes: Tensor) -> Picture:
    return np.ascontiguousarray(planes.permute(1, 2, 0).numpy())


# Geometry. Matrices are 3 x 3 and act on continuous coordinates (x, y, 1): the first pixel covers 0 to 1.


class Affine(NamedTuple):
    """A rotation (degrees, clockwise), scale and horizontal shear (degrees) about the centre."""

    degrees: float
    scale: float
    shear: float

    def matrix(self, height: float, width: float) -> Matrix:
        """Return the matrix for a picture of this size."""
        angle, shear = math.radians(self.degrees), math.radians(self.shear)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        linear = self.scale * turn @ np.array([[1, -math.tan(shear)], [0, 1]])
        matrix = np.eye(3)
        matrix[:2, :2] = linear
        centre = np.array([width / 2, height / 2])
        matrix[:2, 2] = centre - linear @ centre
        return matrix


@dataclass(frozen=True)
class AffineRange:
    """Ranges of an affine: rotation and shear to each side, in degrees, and scale."""

    degrees: float
    shear: float
    scale: tuple[float, float] = (1.0, 1.0)

    def draw(self, random: Random) -> Affine:
        """Draw an affine."""
        degrees = random.uniform(-self.degrees, self.degrees)
        return Affine(degrees, random.uniform(*self.scale), random.uniform(-self.shear, self.shear))


def stretch(x: float, y: float) -> Matrix:
    """Return the matrix that scales by `x` and `y`."""
    return np.diag([x, y, 1.0])


def shift(x: float, y: float) -> Matrix:
    """Return the matrix that moves by (x, y)."""
    matrix = np.eye(3)
    matrix[:2, 2] = x, y
    return matrix


def mirror(item: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mirror a picture or mask left to right."""
    return cv2.flip(item, 1)


def warp(item: NDArray[np.uint8], matrix: Matrix, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Warp a picture or mask by `matrix`, `3 x 3` from its pixels to the result of `size` (height, width)."""
    # OpenCV's coordinates are 0 at the centre of the first pixel
    move = (shift(-0.5, -0.5) @ matrix @ shift(0.5, 0.5))[:2]
    if item.ndim == 2:
        return cv2.warpAffine(item, move, size[::-1], flags=cv2.INTER_NEAREST)
    return cv2.warpAffine(item, move, size[::-1], flags=cv2.INTER_CUBIC, borderValue=IMAGE_FILL)


def remap(
    item: NDArray[np.uint8],
    maps: tuple[NDArray[np.float32], NDArray[np.float32]],
    fill: tuple[int, int, int] = (0, 0, 0),
) -> NDArray[np.uint8]:
    """Read each pixel of the result at (x, y) of two maps, as `cv2.remap` does.

    Args:
        item: picture or mask.
        maps: x and y, `H x W` each, in pixels of the item.
        fill: colour of pixels that are read outside of a picture; masks are 0 there.
    """
    if item.ndim == 2:
        return cv2.remap(item, *maps, cv2.INTER_NEAREST)
    return cv2.remap(item, *maps, cv2.INTER_LINEAR, borderValue=fill)


def find_edges(levels: Mask) -> Mask:
    """Return 255 where the 5 x 5 pixels around a pixel of a mask are not all equal, else 0."""
    square = np.ones((5, 5), np.uint8)
    return np.where(cv2.dilate(levels, square) > cv2.erode(levels, square), np.uint8(255), np.uint8(0))


def remap_bicubic(levels: Mask, where_varied: Mask, x: NDArray[np.float32], y: NDArray[np.float32]) -> Mask:
    """Interpolate the grey levels of a mask like Pillow's bicubic affine; 0 outside of the mask.

    OpenCV's bicubic kernel differs and gives fewer soft pixels. Only pixels near varying levels are
    interpolated.

    Args:
        levels: the mask.
        where_varied: result of `find_edges(levels)`.
        x: x coordinate that each pixel of the result reads (0 is the centre of the first pixel).
        y: y coordinate that each pixel of the result reads.
    """
    result = cv2.remap(levels, x, y, cv2.INTER_NEAREST)
    rows, columns = np.nonzero(cv2.remap(where_varied, x, y, cv2.INTER_NEAREST))
    x, y = x[rows, columns], y[rows, columns]
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    taps_x = np.clip(left + np.arange(-1, 3)[:, None], 0, levels.shape[1] - 1)
    taps_y = np.clip(top + np.arange(-1, 3)[:, None], 0, levels.shape[0] - 1)
    near = levels[taps_y[:, None], taps_x[None]]  # 4 x 4 x N
    value = np.einsum("ijn,in,jn->n", near, _bicubic_weights(y - top), _bicubic_weights(x - left))
    result[rows, columns] = (value.clip(0, 255) + ROUNDING).astype(np.uint8)  # Pillow truncates
    return result


def _bicubic_weights(t: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the bicubic weights (a = -1) of four neighbours, `4 x N`, at a fraction `t` after the second."""
    return np.stack((-t + 2 * t**2 - t**3, 1 - 2 * t**2 + t**3, t + t**2 - t**3, t**3 - t**2))


def add_border(item: NDArray[np.uint8], top: int, bottom: int, left: int, right: int) -> NDArray[np.uint8]:
    """Add a border of these widths: the ImageNet mean colour around a picture, 0 around a mask."""
    fill = 0 if item.ndim == 2 else IMAGE_FILL
    return cv2.copyMakeBorder(item, top, bottom, left, right, cv2.BORDER_CONSTANT, value=fill)


def zoom_canvas(picture: Picture, scale: float) -> tuple[Picture, Matrix]:
    """Return the part of a picture that a scaling about its centre shows on a canvas of the same size.

    It is a rectangle of `1 / scale` times the picture's size: the middle of the picture, or the picture with
    a border. Nothing is interpolated.

    Returns:
        The part, rounded to whole pixels, so up to one pixel larger on each side; and the shift from its
        coordinates to those of the rectangle.
    """
    height, width = picture.shape[:2]
    left, top = (width - width / scale) / 2, (height - height / scale) / 2
    cut_left, cut_top = math.floor(left), math.floor(top)
    cut_right, cut_bottom = math.ceil(width - left), math.ceil(height - top)
    if scale >= 1:
        cut = picture[cut_top:cut_bottom, cut_left:cut_right]
    else:
        cut = add_border(picture, -cut_top, cut_bottom - height, -cut_left, cut_right - width)
    return cut, shift(cut_left - left, cut_top - top)


def resize_picture(picture: Picture, size: Sequence[int]) -> Picture:
    """Resize a picture bicubically, with antialiasing, to (height, width), or to one shorter side."""
    return _interleaved(F.resize(_planes(picture), size, InterpolationMode.BICUBIC, antialias=True))


def shrink(picture: Picture, short_side: int) -> tuple[Picture, Matrix]:
    """Reduce a picture, with antialiasing, until its shorter side has `short_side` pixels.

    Returns:
        The picture, and the matrix from its coordinates to those of the given picture.
    """
    height, width = picture.shape[:2]
    if min(height, width) <= short_side:
        return picture, np.eye(3)
    small = resize_picture(picture, [short_side])
    return small, stretch(width / small.shape[1], height / small.shape[0])


@dataclass(frozen=True)
class Box:
    """A part of a picture, in fractions of its height and width."""

    top: float
    left: float
    height: float
    width: float

    def of(self, item: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return this part of a picture or mask; it has one pixel at least."""
        rows, columns = item.shape[:2]
        top, left = round(self.top * rows), round(self.left * columns)
        height, width = max(1, round(self.height * rows)), max(1, round(self.width * columns))
        return item[top : top + height, left : left + width]


def draw_box(random: Random, size: tuple[int, int], area: tuple[float, float]) -> Box:
    """Draw a box in a picture of `size` (height, width); `area` limits its share of the picture.

    Its aspect is 3:4 to 4:3. As in v2.RandomResizedCrop, ten boxes that do not fit are followed by the
    largest allowed box in the middle.
    """
    rows, columns = size
    for _ in range(10):
        part = rows * columns * random.uniform(*area)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = round(math.sqrt(part * aspect)), round(math.sqrt(part / aspect))
        if 0 < width <= columns and 0 < height <= rows:
            top, left = random.integers(rows - height + 1), random.integers(columns - width + 1)
            return Box(top / rows, left / columns, height / rows, width / columns)
    width = min(columns, round(rows * 4 / 3))
    height = min(rows, round(columns * 4 / 3))
    return Box((1 - height / rows) / 2, (1 - width / columns) / 2, height / rows, width / columns)
