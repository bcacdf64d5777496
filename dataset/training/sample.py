"""The format of a training sample: three frames with the masks of up to two objects."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors

from dataset.image_io import normalise_into
from dataset.training.transforms import pixels

FRAMES = 3
LEVELS = 255  # grey level of a mask that means 1
TRIED = 50  # samples of a folder that are searched for an object before training

Sample = dict[str, Any]


def stack_images(images: Sequence[tv_tensors.Image]) -> Tensor:
    """Normalise pictures and stack them, `frames x 3 x H x W` float32."""
    stacked = torch.empty(len(images), *images[0].shape)
    for place, image in zip(stacked, images, strict=True):
        normalise_into(place, pixels(image))
    return stacked


def stack_masks(masks: Sequence[tv_tensors.Mask]) -> Tensor:
    """Stack label maps, `frames x H x W` uint8."""
    return torch.from_numpy(np.stack([pixels(mask) for mask in masks]))


def soft_sample(rgb: Tensor, levels: Tensor, name: str) -> Sample:
    """Build the sample of a picture with one object.

    Args:
        rgb: frames x 3 x H x W, normalised.
        levels: frames x H x W uint8, the object's grey levels, 0 to 255.
        name: file name of the picture.

    Returns:
        As `sample`, without the second object: `gt` is soft, `cls_gt` 1 where `gt` is above one half.
    """
    return {
        "rgb": rgb,
        "gt": levels[:, None].float() / LEVELS,
        "cls_gt": (levels > LEVELS // 2).long(),
        "info": {"name": name, "frames": [name] * len(rgb)},
    }


def sample(rgb: Tensor, first: Tensor, second: Tensor, name: str, frames: Sequence[str]) -> Sample:
    """Build a sample.

    Args:
        rgb: frames x 3 x H x W, normalised.
        first: frames x H x W, bool, mask of the first object.
        second: mask of the second object, like `first`; all False without one.
        name: name of the picture or video, for messages.
        frames: names of the frames.

    Returns:
        rgb: frames x 3 x H x W float32.
        gt: frames x 1 x H x W float32, mask of the first object.
        cls_gt: frames x H x W int64, 0 background, 1 and 2 the objects.
        info: name and frames.
        sec_gt: mask of the second object, like gt.
        selector: float32 [1, 1], or [1, 0] without a second object.
    """
    return {
        "rgb": rgb,
        "gt": first[:, None].float(),
        "sec_gt": second[:, None].float(),
        "cls_gt": (first.byte() + 2 * second.byte()).long(),
        "selector": torch.tensor([1.0, float(second.any())]),
        "info": {"name": name, "frames": list(frames)},
    }
