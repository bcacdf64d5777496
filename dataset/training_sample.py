"""The form of a training sample: three frames, the masks of up to two objects on them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors

from dataset.image_io import normalise_into
from dataset.training_transforms import pixels

FRAMES = 3
TRIED = 50  # places of a folder where an object is looked for before training: most show one at once

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


def sample(rgb: Tensor, first: Tensor, second: Tensor | None, name: str, frames: Sequence[str]) -> Sample:
    """Build what a data set returns.

    Args:
        rgb: frames x 3 x H x W, normalised.
        first: frames x H x W, bool, the first object.
        second: the second object, all False where there is none; None in data of single objects.
        name: picture or video, for messages.
        frames: names of the frames.

    Returns:
        rgb: float32 as given.
        gt: frames x 1 x H x W float32, the first object.
        cls_gt: frames x H x W int64, 0 background, 1 and 2 the objects.
        info: name and frames.
        sec_gt: as gt, the second object. Only where `second` is given, and so is
        selector: float32 [1, 1], or [1, 0] when there is no second object.
    """
    result: Sample = {
        "rgb": rgb,
        "gt": first[:, None].float(),
        "cls_gt": (first.byte() if second is None else first.byte() + 2 * second.byte()).long(),
        "info": {"name": name, "frames": list(frames)},
    }
    if second is not None:
        result["sec_gt"] = second[:, None].float()
        result["selector"] = torch.tensor([1.0, float(second.any())])
    return result
