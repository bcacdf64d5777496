"""The plain way to make training samples, which tests compare with.

Full decode, torchvision on PIL pictures, one operation after another, each rounded to 8 bits, and the
thin-plate spline in float64 at every pixel. It takes the same draws as the data sets do.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import cdist
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from dataset.image_io import MEAN, STD
from dataset.static_dataset import FrameDraw, StaticDraw
from dataset.training.transforms import IMAGE_FILL, Adjustment, Affine
from dataset.vos_dataset import VideoDraw

BICUBIC, NEAREST = InterpolationMode.BICUBIC, InterpolationMode.NEAREST


def static_frames(path: Path, mask_path: Path, drawn: StaticDraw, crop_size: int) -> tuple[Tensor, Tensor]:
    """Return the three frames, normalised, and the masks, `3 x H x W` bool, of a stage-0 sample."""
    image = Image.open(path).convert("RGB")
    mask = Image.open(mask_path).convert("L")
    shared = Affine(0, drawn.scale, 0)
    image, mask = _affine(image, shared), _affine(mask, shared)
    if drawn.flip:
        image, mask = F.horizontal_flip(image), F.horizontal_flip(mask)
    image = _colours(image, drawn.jitter, drawn.grey)
    frames = [_static_frame(image, mask, frame, crop_size) for frame in drawn.frames]
    return _stack([image for image, _ in frames]), torch.stack([torch.from_numpy(m > 127) for _, m in frames])


def _static_frame(
    image: Image.Image, mask: Image.Image, frame: FrameDraw, crop_size: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    image = F.resize(_affine(image, frame.affine), [crop_size], BICUBIC)
    mask = F.resize(_affine(mask, frame.affine, BICUBIC), [crop_size], NEAREST)
    top, left = (
        round(place * (length - crop_size))
        for place, length in zip(frame.crop, (image.height, image.width), strict=True)
    )
    image = _colours(F.crop(image, top, left, crop_size, crop_size), frame.jitter, False)
    pixels, labels = np.array(image), np.array(F.crop(mask, top, left, crop_size, crop_size))
    if frame.control_points is None:
        return pixels, labels
    maps = thin_plate_maps(*frame.control_points, crop_size, crop_size)
    return cv2.remap(pixels, *maps, cv2.INTER_LINEAR), cv2.remap(labels, *maps, cv2.INTER_NEAREST)


def video_frames(
    paths: Sequence[Path], mask_paths: Sequence[Path], drawn: VideoDraw, crop_size: int
) -> tuple[Tensor, Tensor]:
    """Return the three frames, normalised, and their label maps, `3 x H x W` uint8, of a video sample."""
    images, masks = [], []
    for path, mask_path, affine, jitter in zip(
        paths, mask_paths, drawn.affines, drawn.frame_jitters, strict=True
    ):
        image, mask = Image.open(path).convert("RGB"), Image.open(mask_path)
        box = drawn.box.in_pixels((mask.height, mask.width))
        image = F.resized_crop(image, *box, [crop_size, crop_size], BICUBIC)
        mask = F.resized_crop(mask, *box, [crop_size, crop_size], NEAREST)
        if drawn.flip:
            image, mask = F.horizontal_flip(image), F.horizontal_flip(mask)
        image = _affine(_colours(image, drawn.jitter, drawn.grey), affine)
        images.append(np.array(_colours(image, jitter, False)))
        masks.append(torch.from_numpy(np.array(_affine(mask, affine))))
    return _stack(images), torch.stack(masks)


def thin_plate_maps(
    c_src: NDArray[np.float64], c_dst: NDArray[np.float64], height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the arrays for `cv2.remap` of a thin-plate spline, evaluated in float64 at every pixel."""

    def bend(distance: NDArray[np.float64]) -> NDArray[np.float64]:
        return distance**2 * np.log(distance + 1e-6)

    count = len(c_dst)
    plane = np.column_stack((np.ones(count), c_dst))
    system = np.block([[bend(cdist(c_dst, c_dst)), plane], [plane.T, np.zeros((3, 3))]])
    theta = np.linalg.solve(system, np.vstack((c_src, np.zeros((3, 2)))))
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    places = np.column_stack((x.ravel(), y.ravel()))
    basis = np.column_stack((bend(cdist(places, c_dst)), np.ones(len(places)), places))
    result = (basis @ theta).reshape(height, width, 2) * (width, height)
    return result[..., 0].astype(np.float32), result[..., 1].astype(np.float32)


def _affine(
    image: Image.Image, affine: Affine, interpolation: InterpolationMode | None = None
) -> Image.Image:
    """Apply an affine map: bicubic for pictures, nearest for masks, unless an interpolation is given."""
    usual, fill = (BICUBIC, list(IMAGE_FILL)) if image.mode == "RGB" else (NEAREST, 0)
    move = affine.degrees, [0, 0], affine.scale, [affine.shear, 0]
    return F.affine(image, *move, interpolation or usual, fill)


def _colours(image: Image.Image, steps: Sequence[Adjustment], grey: bool) -> Image.Image:
    adjusters = {
        "brightness": F.adjust_brightness,
        "contrast": F.adjust_contrast,
        "saturation": F.adjust_saturation,
        "hue": F.adjust_hue,
    }
    for name, amount in steps:
        image = adjusters[name](image, amount)
    return F.rgb_to_grayscale(image, num_output_channels=3) if grey else image


def _stack(images: Sequence[NDArray[np.uint8]]) -> Tensor:
    tensors = [F.to_dtype(F.to_image(image), torch.float32, scale=True) for image in images]
    return torch.stack([F.normalize(tensor, MEAN.tolist(), STD.tolist()) for tensor in tensors])
