"""Training samples: their format, and their random numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dataset.image_io import normalise_into
from dataset.training.transforms import Picture

FRAMES = 3
LEVELS = 255  # grey level of a mask that means 1
TRIED = 50  # samples of a folder that are searched for an object before training

Sample = dict[str, Any]


class SampleSet(Dataset[Sample]):
    """A data set whose samples are random, with a separate generator for each sample of each epoch.

    The generator depends on (seed, part, epoch, index) alone. So a sample does not depend on the worker or
    rank that draws it, and a resumed run draws the samples of an uninterrupted one. The epoch is in shared
    memory, so that persistent workers see it change.

    Args:
        seed: seed of the run.
        part: number of the data set in the run, so that the generators of data sets differ.
    """

    def __init__(self, seed: int, part: int = 0) -> None:
        self.seed = seed
        self.part = part
        self._epoch = shared_int(0)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; call it between epochs, before the loader's iterator is created."""
        self._epoch[0] = epoch

    def generator(self, index: int) -> np.random.Generator:
        """Return a new generator for one sample."""
        return np.random.default_rng((self.seed, self.part, int(self._epoch[0]), index))


def shared_int(value: int) -> Tensor:
    """Return a one-element tensor that worker processes share."""
    return torch.tensor([value], dtype=torch.int64).share_memory_()


def stack_images(pictures: Sequence[Picture]) -> Tensor:
    """Normalise pictures and stack them, `frames x 3 x H x W` float32."""
    stacked = torch.empty(len(pictures), 3, *pictures[0].shape[:2])
    for planes, picture in zip(stacked, pictures, strict=True):
        normalise_into(planes, picture)
    return stacked


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
