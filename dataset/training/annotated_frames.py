"""Training samples for a one-shot fit: the annotated objects of one video, moved and bent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors

from dataset.static_dataset import FRAME_JITTER, SHARED_JITTER, WARP_CHANCE
from dataset.tps import fast_maps, random_control_points
from dataset.training.random_streams import SampleStreams
from dataset.training.remembered_masks import misremembered
from dataset.training.sample import FRAMES, Sample, sample, stack_images, stack_masks
from dataset.training.transforms import (
    IMAGE_FILL,
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
    warp,
)
from dataset.video import Video

SHARED_ZOOM = (0.7, 1.2)  # relative to the scale at which the video will be segmented
FRAME_TURN, FRAME_SHEAR = 10, 5  # degrees, to each side
FRAME_SCALE = 0.1  # smaller to larger
FRAME_SHIFT = 0.1  # share of the crop, to each side
CALM_CHANCE = 0.5  # that an item changes little from frame to frame, and is not bent
CALM_PART = (0.1, 0.5)  # share of the usual changes
MISTAKEN_CHANCE = 0.7  # that the second frame's memory has mistakes in its masks
CROWD = 3  # largest number of objects in a sample

Layer = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # picture H x W x 3, and its opacity H x W


@dataclass(frozen=True)
class AnnotatedFrame:
    """A frame at working size, with its label map."""

    image: tv_tensors.Image  # 3 x h x w
    mask: tv_tensors.Mask  # h x w, at least one label


def annotated_frames(video: Video) -> list[AnnotatedFrame]:
    """Read the frames of a video that have masks, at working size."""
    found = []
    for index in sorted(video.masks):
        frame = video.read(index)
        if frame.mask is not None and frame.mask.any():
            image, _ = shrunk(as_image(frame.picture), min(frame.mask.shape))
            found.append(AnnotatedFrame(image, as_mask(frame.mask.numpy())))
    return found


@dataclass(frozen=True)
class CutOut:
    """One labelled object of a frame."""

    label: int
    image: tv_tensors.Image  # 3 x h x w, the whole frame
    mask: tv_tensors.Mask  # h x w, 1 on the object
    centre: tuple[float, float]  # (x, y) of the object's bounding box


class AnnotatedFrames:
    """Draws samples of stage 2 from annotated frames: their objects move over their background.

    The idea is that of "Lucid Data Dreaming" (Khoreva et al., IJCV 2019). Objects are cut out, and the holes
    are inpainted. A sample shows part of the first frame's background and up to `CROWD` objects, one over the
    other. Each object moves, turns, bends and changes colour from frame to frame, often only a little, as in
    most videos. Two of the objects have to be segmented; the others are distractors.

    Args:
        frames: annotated frames, at least one.
        crop_size: side of a sample in pixels.
        seed: seed of the run.
    """

    def __init__(self, frames: Sequence[AnnotatedFrame], crop_size: int, seed: int = 0) -> None:
        self.crop_size = crop_size
        self.streams = SampleStreams(seed)
        self.background = background(frames[0])  # later ones may show objects that are not in their masks
        self.objects: dict[int, list[CutOut]] = {}  # by label, from every frame that has it
        for part in (part for frame in frames for part in cut_outs(frame)):
            self.objects.setdefault(part.label, []).append(part)

    def __getitem__(self, index: int) -> Sample:
        """Return sample `index`; there is no last one.

        Its `info` also has `labels`, the labels of the two objects (0 for none). The sample also has
        `remembered`, float32 `2 x 2 x H x W`: masks of both objects on frames 0 and 1 for the memory, on
        frame 1 mostly with typical mistakes.
        """
        random = self.streams.generator(index)
        crowd = [int(label) for label in random.permutation(list(self.objects))]
        crowd = crowd[: random.integers(1, CROWD + 1)]
        layers = [self._background(random)]
        looks = [self.objects[label] for label in crowd]
        layers += [self._object(parts[random.integers(len(parts))], random) for parts in looks]
        shared = SHARED_JITTER.draw(random)
        images, label_maps = [], []
        for frame in range(FRAMES):
            picture, labels = composed([layer[frame] for layer in layers])
            images.append(adjust(as_image(picture), [*shared, *FRAME_JITTER.draw(random)]))
            label_maps.append(as_mask(labels))

        numbers = stack_masks(label_maps)
        chosen = [int(label) for label in random.permutation(len(crowd))[:2] + 1]
        visible = [number for number in chosen if (numbers[0] == number).any()]
        first, second = (numbers.int() == number for number in [*visible, -1, -1][:2])
        drawn = sample(stack_images(images), first, second, str(index), [str(index)] * FRAMES)
        drawn["remembered"] = remembered(torch.stack([first[:2], second[:2]], dim=1), random)
        drawn["info"]["labels"] = [*(crowd[number - 1] for number in visible), 0, 0][:2]
        return drawn

    def _background(self, random: Random) -> list[Layer]:
        height, width = size_of(self.background)
        everywhere = as_mask(np.ones((height, width), np.uint8))
        reach = self.crop_size / 2  # of a crop, which lies within the frame where it can
        x, y = (
            random.uniform(reach, length - reach) if length > 2 * reach else length / 2
            for length in (width, height)
        )
        return self._layers(self.background, everywhere, (x, y), (reach, reach), random)

    def _object(self, part: CutOut, random: Random) -> list[Layer]:
        place = random.uniform(0.2, 0.8, 2) * self.crop_size
        return self._layers(part.image, part.mask, part.centre, (place[0], place[1]), random)

    def _layers(
        self,
        image: tv_tensors.Image,
        mask: tv_tensors.Mask,
        centre: tuple[float, float],
        place: tuple[float, float],
        random: Random,
    ) -> list[Layer]:
        """Return an item's layer on every frame, with its `centre` moved near `place`; both are (x, y)."""
        side = self.crop_size
        zoom = math.exp(random.uniform(*np.log(SHARED_ZOOM)))
        mirror = -1 if random.random() < 0.5 else 1
        calm = random.random() < CALM_CHANCE
        change = random.uniform(*CALM_PART) if calm else 1.0
        affine = frame_affine(change)
        layers = []
        for _ in range(FRAMES):
            moved = random.uniform(-1, 1, 2) * change * FRAME_SHIFT * side
            matrix = affine.draw(random).matrix(0, 0) @ stretch(mirror * zoom, zoom)
            matrix = shift(*(place + moved)) @ matrix @ shift(-centre[0], -centre[1])
            picture, part = warp(image, matrix, (side, side)), warp(mask, matrix, (side, side))
            if not calm and random.random() < WARP_CHANCE:
                maps = fast_maps(*random_control_points(random), side, side)
                picture, part = remap(picture, maps, IMAGE_FILL), remap(part, maps)
            layers.append((pixels(picture), pixels(part)))
        return layers


def frame_affine(change: float) -> AffineRange:
    """Return the range of an item's changes from frame to frame, for a share of the usual changes."""
    scale = FRAME_SCALE * change
    return AffineRange(FRAME_TURN * change, FRAME_SHEAR * change, (1 - scale, 1 + scale))


def remembered(objects: Tensor, random: Random) -> Tensor:
    """Return the masks of a sample's first two frames for the memory, float32 `2 x K x H x W`.

    Args:
        objects: true masks, bool `2 x K x H x W`; those of the first frame are not changed.
        random: random generator.
    """
    masks = objects.byte().numpy()
    if random.random() < MISTAKEN_CHANCE:
        masks[1] = misremembered(masks[1], random)
    return torch.from_numpy(masks).float()


def background(frame: AnnotatedFrame) -> tv_tensors.Image:
    """Return a frame without its objects; the holes are inpainted."""
    hole = cv2.dilate((pixels(frame.mask) > 0).astype(np.uint8), np.ones((5, 5), np.uint8))
    return as_image(cv2.inpaint(pixels(frame.image), hole, 5, cv2.INPAINT_TELEA))


def cut_outs(frame: AnnotatedFrame) -> list[CutOut]:
    """Return the objects of a frame."""
    labels = pixels(frame.mask)
    found = []
    for label in np.unique(labels[labels > 0]):
        part = (labels == label).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(part)
        found.append(CutOut(int(label), frame.image, as_mask(part), (x + width / 2, y + height / 2)))
    return found


def composed(layers: Sequence[Layer]) -> Layer:
    """Compose layers, the first at the bottom, with edges softened by one pixel.

    Returns:
        The picture, and the index of the visible layer at each pixel.
    """
    picture = layers[0][0].astype(np.float32)
    labels = np.zeros(picture.shape[:2], np.uint8)
    for number, (image, part) in enumerate(layers[1:], start=1):
        alpha = cv2.GaussianBlur(part.astype(np.float32), (3, 3), 0)[..., None]
        picture += alpha * (image - picture)
        labels[part > 0] = number
    return picture.round().astype(np.uint8), labels
