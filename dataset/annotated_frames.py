"""Samples for a network that is fitted to one video: crops of its annotated frames, moved and bent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torchvision import tv_tensors

from dataset.random_streams import SampleStreams
from dataset.static_dataset import FRAME_JITTER, GREY_CHANCE, SHARED_JITTER, WARP_CHANCE
from dataset.tps import fast_maps, random_control_points
from dataset.training_sample import FRAMES, Sample, sample, stack_images, stack_masks
from dataset.training_transforms import (
    AffineRange,
    Random,
    adjust,
    as_image,
    as_mask,
    pixels,
    remap,
    shift,
    shrunk,
    size_of,
    stretch,
    to_grey,
    warp,
)
from dataset.video import Video

SHARED_ZOOM = (0.75, 1.4)  # about the scale at which the video will be segmented
FRAME_AFFINE = AffineRange(degrees=20, shear=10, scale=(0.85, 1.15))
FRAME_SHIFT = 0.15  # of the crop, to each side


@dataclass(frozen=True)
class AnnotatedFrame:
    """A frame at working size, with the labels given for it."""

    name: str
    image: tv_tensors.Image  # 3 x h x w
    mask: tv_tensors.Mask  # h x w, at least one label


def annotated_frames(video: Video) -> list[AnnotatedFrame]:
    """Read the frames of a video that have masks, at the size at which it is segmented."""
    found = []
    for index in sorted(video.masks):
        frame = video.read(index)
        if frame.mask is not None and frame.mask.any():
            image, _ = shrunk(as_image(frame.picture), min(frame.mask.shape))
            found.append(AnnotatedFrame(frame.name, image, as_mask(frame.mask.numpy())))
    return found


class AnnotatedFrames:
    """Draws samples of stage 2 from annotated frames, as stage 0 draws them from pictures.

    A crop lies about a random pixel of a random label of a random frame, at about its own scale, and
    shows up to two of the labels in it, in random order. The three frames of a sample differ by
    shift, affine, colour and, now and then, a thin-plate spline.

    Args:
        frames: at least one.
        crop_size: of a sample, a side.
        seed: of the run.
    """

    def __init__(self, frames: Sequence[AnnotatedFrame], crop_size: int, seed: int = 0) -> None:
        self.frames = list(frames)
        self.crop_size = crop_size
        self.streams = SampleStreams(seed)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample, another for each number; there is no end of them."""
        random = self.streams.generator(index)
        frame = self.frames[random.integers(len(self.frames))]
        labels = pixels(frame.mask)
        rows, columns = np.nonzero(labels == random.choice(np.unique(labels[labels > 0])))
        place = random.integers(len(rows))
        images, masks = self._frames(frame, (rows[place] + 0.5, columns[place] + 0.5), random)

        label_maps = stack_masks(masks)
        present = [int(label) for label in label_maps[0].unique() if label > 0]
        chosen = [int(label) for label in random.permutation(present)[:2]] + [-1, -1]
        first, second = (label_maps.int() == label for label in chosen[:2])
        return sample(stack_images(images), first, second, frame.name, [frame.name] * FRAMES)

    def _frames(
        self, frame: AnnotatedFrame, centre: tuple[float, float], random: Random
    ) -> tuple[list[tv_tensors.Image], list[tv_tensors.Mask]]:
        """Return the pictures and label maps of a sample about a point (row, column)."""
        side = self.crop_size
        zoom = math.exp(random.uniform(*np.log(SHARED_ZOOM)))
        mirror = random.random() < 0.5
        image = adjust(frame.image, SHARED_JITTER.draw(random))
        if random.random() < GREY_CHANCE:
            image = to_grey(image)
        height, width = size_of(frame.mask)
        # a crop that the frame can fill stays within it: there is no border in the video either
        reach = side / zoom / 2
        row, column = (
            np.clip(point, reach, length - reach) if length > 2 * reach else length / 2
            for point, length in zip(centre, (height, width), strict=True)
        )
        images, masks = [], []
        for _ in range(FRAMES):
            moved = random.uniform(-FRAME_SHIFT, FRAME_SHIFT, 2) * side
            matrix = (
                shift(side / 2, side / 2) @ stretch(-zoom if mirror else zoom, zoom) @ shift(-column, -row)
            )
            matrix = shift(*moved) @ FRAME_AFFINE.draw(random).matrix(side, side) @ matrix
            images.append(adjust(warp(image, matrix, (side, side)), FRAME_JITTER.draw(random)))
            masks.append(warp(frame.mask, matrix, (side, side)))
            if random.random() < WARP_CHANCE:
                maps = fast_maps(*random_control_points(random), side, side)
                images[-1], masks[-1] = remap(images[-1], maps), remap(masks[-1], maps)
        return images, masks
