"""Augmentation of training pictures and their masks.

Random parameters are drawn as plain values, and then applied to a `tv_tensors.Image` or a `tv_tensors.Mask`.
So the same parameters act on a picture and its mask, without a shared random state.

Pictures are uint8 `3 x H x W`, interpolated bicubically or bilinearly; masks are uint8 `H x W`, nearest
neighbour unless stated. An affine fills pictures with the ImageNet mean colour, a thin-plate spline with
black; masks are filled with 0. Flips, crops, pads, resizing and greying are torchvision's. OpenCV does the
warps (torchvision has no bicubic warp for tensors, and its bilinear one takes twice the time), and colour
jitter by a 3 x 4 matrix per step (a fifth of torchvision's time, with the same result up to rounding).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

# Loader workers already run in parallel, and OpenCV's thread pool does not survive a fork.
cv2.setNumThreads(0)

IMAGE_FILL = (124, 116, 104)  # the ImageNet mean colour
ROUNDING = 1e-3  # of a level: larger than the errors of float32, which would truncate 255 to 254
LUMA = np.array([0.299, 0.587, 0.114])

Random = np.random.Generator
Matrix = NDArray[np.float64]
Item = TypeVar("Item", tv_tensors.Image, tv_tensors.Mask)
Adjustment = tuple[str, float]


def as_image(picture: NDArray[np.uint8]) -> tv_tensors.Image:
    """Wrap an RGB picture `H x W x 3` as `3 x H x W`, without a copy when it is writable."""
    writable = picture if picture.flags.writeable else picture.copy()
    return tv_tensors.Image(torch.from_numpy(writable).permute(2, 0, 1))


def as_mask(labels: NDArray[np.uint8]) -> tv_tensors.Mask:
    """Wrap labels `H x W`."""
    return tv_tensors.Mask(torch.from_numpy(labels if labels.flags.writeable else labels.copy()))


def pixels(item: tv_tensors.Image | tv_tensors.Mask) -> NDArray[np.uint8]:
    """Return a picture as `H x W x 3`, a mask as `H x W`, contiguous."""
    array = item.numpy()
    if array.ndim == 2:
        return np.ascontiguousarray(array)
    interleaved = array.transpose(1, 2, 0)
    return (
        interleaved if interleaved.flags.c_contiguous else cv2.merge(list(array))
    )  # faster than numpy's copy


def size_of(item: tv_tensors.Image | tv_tensors.Mask) -> tuple[int, int]:
    """Return (height, width)."""
    return item.shape[-2], item.shape[-1]


# Colour


@dataclass(frozen=True)
class JitterRange:
    """Ranges of colour jitter: factors are in 1 +- the number, the hue shift in +- `hue` turns."""

    brightness: float
    contrast: float
    saturation: float
    hue: float = 0.0

    def draw(self, random: Random) -> list[Adjustment]:
        """Draw the steps, in random order."""
        steps = [
            (name, random.uniform(1 - strength, 1 + strength))
            for name, strength in (
                ("brightness", self.brightness),
                ("contrast", self.contrast),
                ("saturation", self.saturation),
            )
        ]
        if self.hue:
            steps.append(("hue", random.uniform(-self.hue, self.hue)))
        return [steps[i] for i in random.permutation(len(steps))]


def adjust(image: tv_tensors.Image, steps: Sequence[Adjustment]) -> tv_tensors.Image:
    """Change brightness, contrast, saturation and hue one after another, each rounded to 8 bits."""
    picture = pixels(image)
    for name, amount in steps:
        picture = _shift_hue(picture, amount) if name == "hue" else _mix(picture, name, amount)
    return as_image(picture)


def _mix(picture: NDArray[np.uint8], name: str, factor: float) -> NDArray[np.uint8]:
    """Blend with black, with the mean grey or with the grey picture."""
    matrix = np.zeros((3, 4))
    matrix[:, :3] = factor * np.eye(3)
    if name == "contrast":
        matrix[:, 3] = (1 - factor) * (LUMA @ cv2.mean(picture)[:3])
    elif name == "saturation":
        matrix[:, :3] += (1 - factor) * LUMA
    return cv2.transform(picture, matrix)


def _shift_hue(picture: NDArray[np.uint8], turns: float) -> NDArray[np.uint8]:
    hue_saturation_value = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)
    hue_saturation_value[..., 0] += np.uint8(round(turns * 256) % 256)  # wraps around, as hue does
    return cv2.cvtColor(hue_saturation_value, cv2.COLOR_HSV2RGB_FULL)


def to_grey(image: tv_tensors.Image) -> tv_tensors.Image:
    """Turn a picture to grey, in three channels."""
    return F.rgb_to_grayscale(image, num_output_channels=3)


# Geometry. Matrices are 3 x 3 and act on continuous coordinates (x, y, 1): the first pixel covers 0 to 1.


@dataclass(frozen=True)
class AffineRange:
    """Ranges of rotation, scale and shear about the centre."""

    degrees: float
    shear: float
    scale: tuple[float, float] = (1.0, 1.0)

    def draw(self, random: Random) -> "Affine":
        """Draw one."""
        return Affine(
            random.uniform(-self.degrees, self.degrees),
            random.uniform(*self.scale),
            random.uniform(-self.shear, self.shear),
        )


@dataclass(frozen=True)
class Affine:
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


def stretch(x: float, y: float) -> Matrix:
    """Return the matrix that scales by `x` and `y`."""
    return np.diag([x, y, 1.0])


def shift(x: float, y: float) -> Matrix:
    """Return the matrix that moves by (x, y)."""
    matrix = np.eye(3)
    matrix[:2, 2] = x, y
    return matrix


def warp(item: Item, matrix: Matrix, size: tuple[int, int]) -> Item:
    """Warp an item by `matrix`; the result has `size` (height, width)."""
    # OpenCV's coordinates are 0 at the centre of the first pixel
    move = (shift(-0.5, -0.5) @ matrix @ shift(0.5, 0.5))[:2]
    if isinstance(item, tv_tensors.Mask):
        return as_mask(cv2.warpAffine(pixels(item), move, size[::-1], flags=cv2.INTER_NEAREST))
    return as_image(
        cv2.warpAffine(pixels(item), move, size[::-1], flags=cv2.INTER_CUBIC, borderValue=IMAGE_FILL)
    )


def remap(
    item: Item,
    maps: tuple[NDArray[np.float32], NDArray[np.float32]],
    fill: tuple[int, int, int] = (0, 0, 0),
) -> Item:
    """Read each pixel of the result at (x, y) of two maps, as `cv2.remap` does.

    Args:
        item: picture or mask.
        maps: x and y, `H x W` each, in pixels of the item.
        fill: colour of pixels that are read outside of a picture; masks are 0 there.
    """
    if isinstance(item, tv_tensors.Mask):
        return as_mask(cv2.remap(pixels(item), *maps, cv2.INTER_NEAREST))
    return as_image(cv2.remap(pixels(item), *maps, cv2.INTER_LINEAR, borderValue=fill))


def varied(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 255 where the 5 x 5 pixels around a pixel of a mask `H x W` are not all equal, else 0."""
    square = np.ones((5, 5), np.uint8)
    return np.where(cv2.dilate(levels, square) > cv2.erode(levels, square), np.uint8(255), np.uint8(0))


def remap_bicubic(
    levels: NDArray[np.uint8], where_varied: NDArray[np.uint8], x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Interpolate the grey levels of a mask like Pillow's bicubic affine; 0 outside of the mask.

    OpenCV's bicubic kernel differs and gives fewer soft pixels. Only pixels near varying levels are
    interpolated.

    Args:
        levels: mask `H x W`.
        where_varied: result of `varied(levels)`.
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


def zoomed_canvas(image: tv_tensors.Image, scale: float) -> tuple[tv_tensors.Image, Matrix]:
    """Return the part of a picture that a scaling about its centre shows on a canvas of the same size.

    It is a rectangle of `1 / scale` times the picture's size: the middle of the picture, or the picture with
    a border. Nothing is interpolated.

    Returns:
        The part, rounded to whole pixels, so up to one pixel larger on each side; and the shift from its
        coordinates to those of the rectangle.
    """
    height, width = size_of(image)
    left, top = (width - width / scale) / 2, (height - height / scale) / 2
    cut_left, cut_top = math.floor(left), math.floor(top)
    cut_width, cut_height = math.ceil(width - left) - cut_left, math.ceil(height - top) - cut_top
    if scale >= 1:
        cut = F.crop(image, cut_top, cut_left, cut_height, cut_width)
    else:
        border = [-cut_left, -cut_top, cut_width - width + cut_left, cut_height - height + cut_top]
        cut = F.pad(image, border, fill=list(IMAGE_FILL))
    return cut, shift(cut_left - left, cut_top - top)


def shrunk(image: tv_tensors.Image, short_side: int) -> tuple[tv_tensors.Image, Matrix]:
    """Reduce a picture, with antialiasing, until its shorter side has `short_side` pixels.

    Returns:
        The picture, and the matrix from its coordinates to those of the given picture.
    """
    if min(size_of(image)) <= short_side:
        return image, np.eye(3)
    small = F.resize(image, [short_side], interpolation=InterpolationMode.BICUBIC, antialias=True)
    (height, width), (small_height, small_width) = size_of(image), size_of(small)
    return small, stretch(width / small_width, height / small_height)


@dataclass(frozen=True)
class Box:
    """A part of a picture, in fractions of its height and width."""

    top: float
    left: float
    height: float
    width: float

    def in_pixels(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return (top, left, height, width) in a picture of this size."""
        top, left = round(self.top * size[0]), round(self.left * size[1])
        height, width = round(self.height * size[0]), round(self.width * size[1])
        return top, left, max(1, min(height, size[0] - top)), max(1, min(width, size[1] - left))


def random_box(random: Random, size: tuple[int, int], area: tuple[float, float]) -> Box:
    """Draw a box with an area within `area` (shares of the picture) and an aspect of 3:4 to 4:3.

    This is the rule of v2.RandomResizedCrop: after ten boxes that do not fit, the largest allowed box in the
    middle.
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
