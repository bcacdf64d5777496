"""Training samples of the scribble-to-mask network: picture, partly wrong mask, correcting scribbles.

The pictures are the static sets of stage 0, and LVIS.
"""

import contextlib
import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from pycocotools.coco import COCO

from dataset.image_io import read_image
from dataset.masks.readers import read_object_mask
from dataset.static_dataset import frame_matrix
from dataset.training.mask_perturbation import TARGET_IOU, perturb
from dataset.training.random_scribbles import draw_corrections, scribble_on_regions
from dataset.training.sample import Sample, SampleSet, stack_images
from dataset.training.transforms import (
    AffineRange,
    JitterRange,
    Mask,
    Picture,
    Random,
    adjust,
    mirror,
    shrink,
    stretch,
    to_grey,
    warp,
)
from util.errors import InputError

STATIC_SCALE, LVIS_SCALE = (0.8, 1.25), (0.8, 1.0)
JITTER = JitterRange(0.1, 0.03, 0.03)
GREY_CHANCE = 0.05

NO_PREVIOUS_CHANCE = 1 / 3
OTHER_CHANCE = 3 / 4  # probability of using a second object when there is a previous mask
OTHER_SCRIBBLED_CHANCE = 1 / 2  # probability of scribbling on the second object, not adding its mask
OTHER_TARGET_IOU = 0.6

SMALL_AREA = 50 * 50  # pixels of the largest objects of LVIS that are left out
SMALL_OTHER_AREA = 30 * 30


class S2MDataset(SampleSet, ABC):
    """Pictures with one object each, with synthetic mistakes and scribbles (MiVOS section 4.1).

    Args:
        crop_size: side of a sample in pixels.
        seed: seed of the run.
        part: number of the data set in the run.
        scale: range of the affine transform's scale.
    """

    def __init__(self, crop_size: int, seed: int, part: int, scale: tuple[float, float]) -> None:
        super().__init__(seed, part)
        self.crop_size = crop_size
        self.affine = AffineRange(degrees=20, shear=10, scale=scale)

    @abstractmethod
    def picture(self, index: int, random: Random) -> tuple[Picture, Mask, str]:
        """Read a picture, its mask (1 is the object, 2 another one), and its name.

        Raises:
            InputError: a file cannot be read.
        """

    @abstractmethod
    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """Return a sample; raise InputError when a file cannot be read.

        Returns:
            rgb: `3 x H x W` float32, normalised.
            seg: `1 x H x W` uint8, the previous mask.
            srb: `2 x H x W` uint8, positive and negative scribbles.
            gt: `1 x H x W` uint8, the ground truth.
            info: name of the picture.
        """
        random = self.generator(index)
        image, mask, name = self.picture(index, random)
        image, mask = self.cropped(image, mask, random)
        image = adjust(image, JITTER.draw(random))
        if random.random() < GREY_CHANCE:
            image = to_grey(image)
        truth, other = ((mask == label).astype(np.uint8) for label in (1, 2))
        previous, *scribbles = draw_mistakes(truth, other, random)
        return {
            "rgb": stack_images([image])[0],
            "seg": torch.from_numpy(previous)[None],
            "srb": torch.from_numpy(np.stack(scribbles)),
            "gt": torch.from_numpy(truth)[None],
            "info": {"name": name},
        }

    def cropped(self, image: Picture, mask: Mask, random: Random) -> tuple[Picture, Mask]:
        """Rotate, scale, shear, resize, crop and flip a picture and its mask in one step."""
        if random.random() < 0.5:
            image, mask = mirror(image), mirror(mask)
        # the picture may have another resolution than its mask
        to_mask = stretch(mask.shape[1] / image.shape[1], mask.shape[0] / image.shape[0])
        # the picture may be a little larger than the crop, since the affine may enlarge it
        image, unshrink = shrink(image, round(self.crop_size * max(1.0, self.affine.scale[1])))
        affine, crop = self.affine.draw(random), (random.random(), random.random())
        matrix = frame_matrix(mask.shape, affine, crop, self.crop_size)
        size = (self.crop_size, self.crop_size)
        return warp(image, matrix @ to_mask @ unshrink, size), warp(mask, matrix, size)


def draw_mistakes(truth: Mask, other: Mask, random: Random) -> tuple[Mask, Mask, Mask]:
    """Draw a wrong previous mask, and the positive and negative scribbles that correct it.

    Args:
        truth: true mask of the object, `H x W`.
        other: mask of another object of the picture, `H x W`; empty for none.
        random: random generator.
    """
    is_first = random.random() < NO_PREVIOUS_CHANCE
    previous = np.zeros_like(truth) if is_first else perturb(truth, random, random.uniform(*TARGET_IOU))
    beside = np.zeros_like(truth)  # scribbles on the other object
    if not is_first and other.any() and random.random() < OTHER_CHANCE:
        if random.random() < OTHER_SCRIBBLED_CHANCE:
            beside = scribble_on_regions(other, random)
        else:
            previous |= perturb(other, random, OTHER_TARGET_IOU)
    positive, negative = draw_corrections(previous, truth, is_first, random)
    return previous, positive, negative | beside


class StaticPictures(S2MDataset):
    """Pictures with one mask each.

    Args:
        pictures: (picture, mask) paths, see `StaticDataset`.
        crop_size: side of a sample in pixels.
        seed: seed of the run.
    """

    def __init__(self, pictures: Sequence[tuple[Path, Path]], crop_size: int, seed: int) -> None:
        super().__init__(crop_size, seed, part=0, scale=STATIC_SCALE)
        self.pictures = list(pictures)

    def __len__(self) -> int:
        return len(self.pictures)

    def picture(self, index: int, random: Random) -> tuple[Picture, Mask, str]:
        """Read a picture, no larger than needed, and its mask."""
        path, mask_path = self.pictures[index]
        mask = (read_object_mask(mask_path) > 0).astype(np.uint8)
        image = read_image(path, short_side=round(self.crop_size * STATIC_SCALE[1]))
        return image, mask, path.name


class LVISPictures(S2MDataset):
    """Objects of LVIS (Gupta et al., CVPR 2019); each is a sample, with another object of its picture.

    Args:
        annotations: `lvis_v1_train.json`, or another file in COCO's format.
        images: folder of the pictures.
        crop_size: side of a sample in pixels.
        seed: seed of the run.

    Raises:
        InputError: the file cannot be read, or has no object that is large enough.
    """

    def __init__(self, annotations: Path, images: Path, crop_size: int, seed: int) -> None:
        super().__init__(crop_size, seed, part=1, scale=LVIS_SCALE)
        self.images = images
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # COCO prints its progress
                self.coco = COCO(annotations)
            self.objects = [one["id"] for one in self.coco.dataset["annotations"] if one["area"] > SMALL_AREA]
        except (OSError, ValueError, KeyError, TypeError, AssertionError, AttributeError) as error:
            raise InputError(
                f"{annotations} cannot be read as annotations in COCO's form: fetch it again."
            ) from error
        if not self.objects:
            raise InputError(
                f"{annotations} holds no object above {SMALL_AREA} pixels: give LVIS v1's training file."
            )

    def __len__(self) -> int:
        return len(self.objects)

    def picture(self, index: int, random: Random) -> tuple[Picture, Mask, str]:
        """Read a picture and draw the masks of an object and, at random, another one."""
        annotation = self.coco.anns[self.objects[index]]
        image_id = annotation["image_id"]
        found = self.coco.imgs[image_id]
        name = (found.get("file_name") or found["coco_url"]).rsplit("/", 1)[-1]  # LVIS has the URL alone
        image = read_image(self.images / name)
        mask = self._mask(annotation, image)
        others = [
            other
            for other in self.coco.imgToAnns[image_id]
            if other["id"] != annotation["id"] and other["area"] > SMALL_OTHER_AREA
        ]
        if others:
            another = self._mask(others[random.integers(len(others))], image)
            mask[(another > 0) & (mask == 0)] = 2
        return image, mask, name

    def _mask(self, annotation: dict[str, Any], image: Picture) -> Mask:
        """Return `H x W`, 1 on an object."""
        mask = np.asarray(self.coco.annToMask(annotation), np.uint8)
        if mask.shape != image.shape[:2]:
            mask = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        return mask
