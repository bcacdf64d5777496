"""Samples for the scribble-to-mask network: a picture, a mask partly wrong, and scribbles that say where."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from dataset.image_io import normalise_into
from dataset.mask_perturbation import Mask, perturbed
from dataset.random_scribbles import in_curves, rubbed_out, scribbles_by_robot, scribbles_on_error
from dataset.random_streams import SampleStreams
from dataset.static_dataset import FrameDraw, frame_matrix
from dataset.training_sample import Sample
from dataset.training_transforms import (
    AffineRange,
    JitterRange,
    Random,
    adjust,
    pixels,
    shrunk,
    size_of,
    to_grey,
    warp,
)

JITTER = JitterRange(0.1, 0.03, 0.03)
GREY_CHANCE = 0.05
TRIES = 5  # at a crop that shows the object

NO_PREVIOUS_CHANCE = 1 / 3
ROBOT_CHANCE = 3 / 4  # where there is a previous mask
OTHER_CHANCE = 3 / 4  # of another object, where there is a previous mask
AT_LARGE_CHANCE = 0.3


class Picture(NamedTuple):
    """A picture and its object, before anything is changed."""

    image: tv_tensors.Image  # 3 x H x W
    mask: tv_tensors.Mask  # H x W; 1 the object, 2 another one of the same picture, if there is one
    name: str


class Drawn(NamedTuple):
    """What the network is given beside the picture."""

    previous: Mask  # H x W
    positive: Mask  # H x W
    negative: Mask  # H x W


class S2MDataset(Dataset[Sample], ABC):
    """Pictures with one object each, and the mistakes and scribbles made up for them (MiVOS section 4.1).

    Args:
        crop_size: of a sample, a side.
        seed: of the run.
        part: which of several data sets of one run.
        scale: of the affine change.
    """

    def __init__(self, crop_size: int, seed: int, part: int, scale: tuple[float, float]) -> None:
        self.crop_size = crop_size
        self.streams = SampleStreams(seed, part)
        self.affine = AffineRange(degrees=20, shear=10, scale=scale)

    @abstractmethod
    def picture(self, index: int, random: Random) -> Picture:
        """Read a picture; raises InputError when that cannot be done."""

    @abstractmethod
    def __len__(self) -> int: ...

    def set_epoch(self, epoch: int) -> None:
        """Draw other samples from now on; call it between epochs."""
        self.streams.set_epoch(epoch)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample; raises InputError when a file cannot be read.

        Returns:
            rgb: `3 x H x W` float32, normalised.
            seg: `1 x H x W` uint8, the previous mask.
            srb: `2 x H x W` uint8, positive and negative scribbles.
            gt: `1 x H x W` uint8, the truth.
            info: where it is from.
        """
        random = self.streams.generator(index)
        picture = self.picture(index, random)
        image, mask = self.cropped(picture, random)
        image = adjust(image, JITTER.draw(random))
        if random.random() < GREY_CHANCE:
            image = to_grey(image)
        truth, other = (np.asarray(pixels(mask) == label, np.uint8) for label in (1, 2))
        drawn = mistaken(truth, other, random)
        rgb = torch.empty(3, self.crop_size, self.crop_size)
        normalise_into(rgb, pixels(image))
        return {
            "rgb": rgb,
            "seg": torch.from_numpy(drawn.previous)[None],
            "srb": torch.from_numpy(np.stack([drawn.positive, drawn.negative])),
            "gt": torch.from_numpy(truth)[None],
            "info": {"name": picture.name},
        }

    def cropped(self, picture: Picture, random: Random) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        """Turn, scale, shear, resize, crop and flip a picture and its mask as one."""
        image, mask = picture.image, picture.mask
        if random.random() < 0.5:
            image, mask = F.horizontal_flip(image), F.horizontal_flip(mask)
        # what the warp reads may be a little larger than the crop, since the affine may enlarge it
        image, unshrink = shrunk(image, round(self.crop_size * max(1.0, self.affine.scale[1])))
        canvas = size_of(mask)
        size = (self.crop_size, self.crop_size)
        for _ in range(TRIES):
            draw = FrameDraw(self.affine.draw(random), (random.random(), random.random()), [], None)
            matrix = frame_matrix(canvas, draw, self.crop_size)
            cropped = warp(mask, matrix, size)
            if (cropped == 1).any():
                break
        # the picture may be of another resolution than its mask
        to_mask = np.diag([canvas[1] / size_of(picture.image)[1], canvas[0] / size_of(picture.image)[0], 1.0])
        return warp(image, matrix @ to_mask @ unshrink, size), cropped


def mistaken(truth: Mask, other: Mask, random: Random) -> Drawn:
    """Make up a previous mask, and the scribbles that a person would correct it by.

    Args:
        truth: `H x W`, the object.
        other: `H x W`, another object of the picture, empty when there is none.
        random: source of all draws.
    """
    has_previous = random.random() >= NO_PREVIOUS_CHANCE
    previous = perturbed(truth, random) if has_previous else np.zeros_like(truth)
    also_not = np.zeros_like(truth)  # an other object that is scribbled on as background
    if has_previous and other.any() and random.random() < OTHER_CHANCE:
        if random.random() < 0.5:
            also_not = scribbles_on_error(other, random)
        else:
            previous |= perturbed(other, random) & (1 - truth)

    missing, wrong = truth & (1 - previous), previous & (1 - truth)
    by_robot = has_previous and random.random() < ROBOT_CHANCE
    scribbled = scribbles_by_robot if by_robot else scribbles_on_error
    positive, negative = scribbled(missing, random), scribbled(wrong, random) | also_not
    if random.random() < AT_LARGE_CHANCE or not (positive.any() or negative.any()):
        positive |= at_large(truth, random)
        negative |= at_large(1 - truth, random)
    return Drawn(previous, rubbed_out(positive, random), rubbed_out(negative, random))


def at_large(region: Mask, random: Random) -> Mask:
    """Return curves anywhere in a region, or nothing where there is no region."""
    return in_curves(region, random) & region if region.any() else region.copy()
