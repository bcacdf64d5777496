"""Training pictures of the scribble-to-mask network: the static sets of stage 0, and LVIS."""

import contextlib
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO

from dataset.image_io import read_image
from dataset.masks.readers import read_object_mask
from dataset.training.s2m_dataset import Picture, S2MDataset
from dataset.training.transforms import Random, as_image, as_mask
from util.errors import InputError

log = logging.getLogger(__name__)

STATIC_SCALE, LVIS_SCALE = (0.8, 1.25), (0.8, 1.0)
SMALL_AREA = 50 * 50  # pixels; smaller objects of LVIS are left out
SMALL_OTHER_AREA = 30 * 30


class StaticPictures(S2MDataset):
    """Pictures with one mask each.

    Args:
        pictures: (picture, mask) paths, see `static_dataset.flat_folder`. A pair listed twice is drawn twice
            per epoch.
        crop_size: side of a sample in pixels.
        seed: seed of the run.
    """

    def __init__(self, pictures: Sequence[tuple[Path, Path]], crop_size: int, seed: int) -> None:
        super().__init__(crop_size, seed, part=0, scale=STATIC_SCALE)
        self.pictures = list(pictures)

    def __len__(self) -> int:
        return len(self.pictures)

    def picture(self, index: int, random: Random) -> Picture:
        """Read a picture, no larger than needed, and its mask."""
        path, mask_path = self.pictures[index]
        mask = (read_object_mask(mask_path) > 0).astype(np.uint8)
        image = read_image(path, short_side=round(self.crop_size * STATIC_SCALE[1]))
        return Picture(as_image(image), as_mask(mask), path.name)


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
        self.coco = read_coco(annotations)
        self.objects = [one["id"] for one in self.coco.dataset["annotations"] if one["area"] > SMALL_AREA]
        if not self.objects:
            raise InputError(
                f"{annotations} holds no object above {SMALL_AREA} pixels: give LVIS v1's training file."
            )

    def __len__(self) -> int:
        return len(self.objects)

    def picture(self, index: int, random: Random) -> Picture:
        """Read a picture and draw the masks of an object and, at random, another one."""
        annotation = self.coco.anns[self.objects[index]]
        image_id = annotation["image_id"]
        path = self.images / file_name(self.coco.imgs[image_id])
        image = read_image(path)
        mask = self._mask(annotation, image, path)
        others = [
            other
            for other in self.coco.imgToAnns[image_id]
            if other["id"] != annotation["id"] and other["area"] > SMALL_OTHER_AREA
        ]
        if others:
            another = self._mask(others[random.integers(len(others))], image, path)
            mask[(another > 0) & (mask == 0)] = 2
        return Picture(as_image(image), as_mask(mask), path.name)

    def _mask(self, annotation: dict[str, Any], image: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
        """Return `H x W`, 1 on an object."""
        try:
            mask = np.asarray(self.coco.annToMask(annotation), np.uint8)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(
                f"object {annotation['id']} of {path} has no outline that can be read."
            ) from error
        if mask.shape != image.shape[:2]:
            mask = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        return mask


def read_coco(path: Path) -> COCO:
    """Read annotations in COCO's format.

    Raises:
        InputError: the file is missing, damaged, or in another format.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # COCO prints its progress
            coco = COCO(path)
        complete = all({"id", "image_id", "area"} <= one.keys() for one in coco.dataset["annotations"])
    except FileNotFoundError as error:
        raise InputError(f"there is no {path}: put LVIS v1's lvis_v1_train.json there.") from error
    except (ValueError, KeyError, TypeError, AssertionError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as annotations in COCO's form: fetch it again.") from error
    if not complete:
        raise InputError(f"{path} holds objects without id, image or area: fetch it again.")
    return coco


def file_name(image: dict[str, Any]) -> str:
    """Return the file name of a picture; LVIS has it only in the URL."""
    name = image.get("file_name") or image.get("coco_url", "")
    return str(name).rsplit("/", 1)[-1]
