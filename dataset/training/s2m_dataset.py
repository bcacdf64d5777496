"""Training samples of the scribble-to-mask network: picture, partly wrong mask, correcting scribbles."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from dataset.image_io import normalise_into
from dataset.static_dataset import FrameDraw, frame_matrix
from dataset.training.mask_perturbation import TARGET_IOU, Mask, perturbed
from dataset.training.random_scribbles import correcting_scribbles, scribbles_on_regions
from dataset.training.random_streams import SampleStreams
from dataset.training.sample import Sample
from dataset.training.transforms import (
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

NO_PREVIOUS_CHANCE = 1 / 3
OTHER_CHANCE = 3 / 4  # that another object is used, when there is a previous mask
OTHER_SCRIBBLED_CHANCE = 1 / 2  # that it gets scribbles; otherwise its damaged mask joins the previous mask
OTHER_TARGET_IOU = 0.6


class Picture(NamedTuple):
    """A picture and its object, before augmentation."""

    image: tv_tensors.Image  # 3 x H x W
    mask: tv_tensors.Mask  # H x W; 1 is the object, 2 another object of the picture, if any
    name: str


class Drawn(NamedTuple):
    """Inputs of the network beside the picture."""

    previous: Mask  # H x W
    positive: Mask  # H x W
    negative: Mask  # H x W


class S2MDataset(Dataset[Sample], ABC):
    """Pictures with one object each, with synthetic mistakes and scribbles (MiVOS section 4.1).

    Args:
        crop_size: side of a sample in pixels.
        seed: seed of the run.
        part: number of the data set in the run.
        scale: range of the affine transform's scale.
    """

    def __init__(self, crop_size: int, seed: int, part: int, scale: tuple[float, float]) -> None:
        self.crop_size = crop_size
        self.streams = SampleStreams(seed, part)
        self.affine = AffineRange(degrees=20, shear=10, scale=scale)

    @abstractmethod
    def picture(self, index: int, random: Random) -> Picture:
        """Read a picture; raise InputError when it cannot be read."""

    @abstractmethod
    def __len__(self) -> int: ...

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which changes the samples; call it between epochs."""
        self.streams.set_epoch(epoch)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample; raise InputError when a file cannot be read.

        Returns:
            rgb: `3 x H x W` float32, normalised.
            seg: `1 x H x W` uint8, the previous mask.
            srb: `2 x H x W` uint8, positive and negative scribbles.
            gt: `1 x H x W` uint8, the ground truth.
            info: name of the picture.
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
        """Rotate, scale, shear, resize, crop and flip a picture and its mask in one step."""
        image, mask = picture.image, picture.mask
        if random.random() < 0.5:
            image, mask = F.horizontal_flip(image), F.horizontal_flip(mask)
        # the picture may be a little larger than the crop, since the affine may enlarge it
        image, unshrink = shrunk(image, round(self.crop_size * max(1.0, self.affine.scale[1])))
        canvas = size_of(mask)
        size = (self.crop_size, self.crop_size)
        draw = FrameDraw(self.affine.draw(random), (random.random(), random.random()), [], None)
        matrix = frame_matrix(canvas, draw, self.crop_size)
        # the picture may have another resolution than its mask
        to_mask = np.diag([canvas[1] / size_of(picture.image)[1], canvas[0] / size_of(picture.image)[0], 1.0])
        return warp(image, matrix @ to_mask @ unshrink, size), warp(mask, matrix, size)


def mistaken(truth: Mask, other: Mask, random: Random) -> Drawn:
    """Draw a wrong previous mask, and scribbles that correct it.

    Args:
        truth: true mask of the object, `H x W`.
        other: mask of another object of the picture, `H x W`; empty for none.
        random: random generator.
    """
    is_first = random.random() < NO_PREVIOUS_CHANCE
    previous = np.zeros_like(truth) if is_first else perturbed(truth, random, random.uniform(*TARGET_IOU))
    beside = np.zeros_like(truth)  # scribbles on the other object
    if not is_first and other.any() and random.random() < OTHER_CHANCE:
        if random.random() < OTHER_SCRIBBLED_CHANCE:
            beside = scribbles_on_regions(other, random)
        else:
            previous |= perturbed(other, random, OTHER_TARGET_IOU)
    drawn = correcting_scribbles(previous, truth, is_first, random)
    return Drawn(previous, drawn.positive, drawn.negative | beside)
