"""Training samples for a one-shot fit: the annotated objects of one video, moved and bent."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset.static_dataset import FRAME_JITTER, SHARED_JITTER, WARP_CHANCE
from dataset.tps import draw_control_points, fast_maps
from dataset.training.mask_perturbation import TARGET_IOU, perturb
from dataset.training.sample import FRAMES, Sample, SampleSet, sample, stack_images
from dataset.training.transforms import (
    IMAGE_FILL,
    AffineRange,
    Mask,
    Picture,
    Random,
    adjust,
    remap,
    shift,
    shrink,
    stretch,
    warp,
)
from dataset.video import Video

SHARED_ZOOM = (0.7, 1.2)  # range of an item's scale, relative to the scale at which videos are segmented
FRAME_TURN, FRAME_SHEAR = 10, 5  # largest rotation and shear per frame, in degrees to each side
FRAME_SCALE = 0.1  # largest change of scale per frame, down or up
FRAME_SHIFT = 0.1  # largest shift per frame to each side, as a share of the crop
CALM_CHANCE = 0.5  # probability that an item changes little from frame to frame and is not bent
CALM_PART = (0.1, 0.5)  # range of the factor of a calm item's changes
MISTAKEN_CHANCE = 0.7  # probability of mistakes in the second frame's remembered masks
CROWD = 3  # largest number of objects in a sample

EDGES_CHANCE = 0.5  # probability of mistakes along the edges; otherwise parts change their label
LOST_CHANCE, GAINED_CHANCE = 0.4, 0.4  # probabilities per object of losing and of gaining a part
LOST_PART = 0.2, 0.8  # half axes of a lost part, relative to the object's width and height
GAINED_PART = 0.1, 0.25  # half axes of a gained part, relative to the width and height of the surroundings
AROUND = 12  # width of the surroundings in pixels
SMALLEST = 20  # pixels of the smallest object that can lose or gain parts

Layer = tuple[Picture, Mask]  # a picture and its opacity
AnnotatedFrame = tuple[Picture, Mask]  # a frame and its mask with at least one label, at working size
CutOut = tuple[Picture, Mask, tuple[float, float]]  # a frame, one object in it, centre (x, y) of its box


def read_annotated_frames(video: Video) -> list[AnnotatedFrame]:
    """Read the frames of a video that have masks, at working size."""
    read = [video.read(index) for index in sorted(video.masks)]
    return [
        (shrink(frame.picture, min(frame.mask.shape))[0], frame.mask.numpy())
        for frame in read
        if frame.mask is not None and frame.mask.any()
    ]


class AnnotatedFrames(SampleSet):
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
        super().__init__(seed)
        self.crop_size = crop_size
        self.background = remove_objects(frames[0])  # later ones may show objects that are not in their masks
        self.objects: dict[int, list[CutOut]] = {}  # cut-outs by label, from every frame that has it
        for picture, labels in frames:
            for label in np.unique(labels[labels > 0]):
                part = (labels == label).astype(np.uint8)
                x, y, width, height = cv2.boundingRect(part)
                centre = x + width / 2, y + height / 2
                self.objects.setdefault(int(label), []).append((picture, part, centre))

    def __getitem__(self, index: int) -> Sample:
        """Return sample `index`; there is no last one.

        Its `info` also has `labels`, the labels of the two objects (0 for none). The sample also has
        `remembered`, float32 `2 x 2 x H x W`: masks of both objects on frames 0 and 1 for the memory, on
        frame 1 mostly with typical mistakes.
        """
        random = self.generator(index)
        crowd = [int(label) for label in random.permutation(list(self.objects))]
        crowd = crowd[: random.integers(1, CROWD + 1)]
        layers = [self._background(random)]
        for label in crowd:
            cut_out = self.objects[label][random.integers(len(self.objects[label]))]
            place = random.uniform(0.2, 0.8, 2) * self.crop_size
            layers.append(self._layers(*cut_out, (place[0], place[1]), random))
        shared = SHARED_JITTER.draw(random)
        images, label_maps = [], []
        for frame in range(FRAMES):
            picture, labels = compose_layers([layer[frame] for layer in layers])
            images.append(adjust(picture, [*shared, *FRAME_JITTER.draw(random)]))
            label_maps.append(labels)

        numbers = torch.from_numpy(np.stack(label_maps))
        chosen = [int(label) for label in random.permutation(len(crowd))[:2] + 1]
        visible = [number for number in chosen if (numbers[0] == number).any()]
        first, second = (numbers.int() == number for number in [*visible, -1, -1][:2])
        drawn = sample(stack_images(images), first, second, str(index), [str(index)] * FRAMES)
        drawn["remembered"] = remember_masks(torch.stack([first[:2], second[:2]], dim=1), random)
        drawn["info"]["labels"] = [*(crowd[number - 1] for number in visible), 0, 0][:2]
        return drawn

    def _background(self, random: Random) -> list[Layer]:
        height, width = self.background.shape[:2]
        reach = self.crop_size / 2  # half the side of a crop, which lies within the frame where it can
        x, y = (
            random.uniform(reach, length - reach) if length > 2 * reach else length / 2
            for length in (width, height)
        )
        everywhere = np.ones((height, width), np.uint8)
        return self._layers(self.background, everywhere, (x, y), (reach, reach), random)

    def _layers(
        self,
        image: Picture,
        mask: Mask,
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
        scale = FRAME_SCALE * change
        affine = AffineRange(FRAME_TURN * change, FRAME_SHEAR * change, (1 - scale, 1 + scale))
        layers = []
        for _ in range(FRAMES):
            moved = random.uniform(-1, 1, 2) * change * FRAME_SHIFT * side
            matrix = affine.draw(random).matrix(0, 0) @ stretch(mirror * zoom, zoom)
            matrix = shift(*(place + moved)) @ matrix @ shift(-centre[0], -centre[1])
            picture, part = warp(image, matrix, (side, side)), warp(mask, matrix, (side, side))
            if not calm and random.random() < WARP_CHANCE:
                maps = fast_maps(*draw_control_points(random), side, side)
                picture, part = remap(picture, maps, IMAGE_FILL), remap(part, maps)
            layers.append((picture, part))
        return layers


def remember_masks(objects: Tensor, random: Random) -> Tensor:
    """Return the masks of a sample's first two frames for the memory, float32 `2 x K x H x W`.

    Args:
        objects: true masks, bool `2 x K x H x W`; those of the first frame are not changed.
        random: random generator.
    """
    masks = objects.byte().numpy()
    if random.random() < MISTAKEN_CHANCE:
        masks[1] = misremember(masks[1], random)
    return torch.from_numpy(masks).float()


def misremember(masks: NDArray[np.uint8], random: Random) -> NDArray[np.uint8]:
    """Return masks of objects, `K x H x W` 0 or 1, with mistakes; they do not overlap."""
    if random.random() >= EDGES_CHANCE:
        labels = relabel_parts(np.tensordot(np.arange(1, len(masks) + 1, dtype=np.uint8), masks, 1), random)
        return np.stack([labels == number for number in range(1, len(masks) + 1)]).astype(np.uint8)
    worse = np.zeros_like(masks)
    for place, mask in zip(worse, masks, strict=True):
        if mask.any():
            place[:] = perturb(mask, random, random.uniform(*TARGET_IOU)) & ~worse.any(axis=0)
    return worse


def relabel_parts(labels: Mask, random: Random) -> Mask:
    """Relabel random parts of objects and of the background.

    Args:
        labels: `H x W`, 0 for the background, objects from 1 on.
        random: random generator.
    """
    worse, objects = labels.copy(), int(labels.max())
    for label in range(1, objects + 1):
        own = (labels == label).astype(np.uint8)
        if own.sum() < SMALLEST:
            continue
        if random.random() < LOST_CHANCE:
            other = (label + random.integers(1, objects + 1)) % (objects + 1)
            worse[(draw_ellipse(own, LOST_PART, random) & own) > 0] = other
        if random.random() < GAINED_CHANCE:
            around = cv2.dilate(own, np.ones((2 * AROUND + 1,) * 2, np.uint8)) & (1 - own)
            if around.any():
                worse[(draw_ellipse(around, GAINED_PART, random) & (labels == 0)) > 0] = label
    return worse


def draw_ellipse(mask: Mask, part: tuple[float, float], random: Random) -> Mask:
    """Draw an ellipse around a pixel of a mask; `part` limits its half axes relative to the mask's extent."""
    ys, xs = np.nonzero(mask)
    at = random.integers(len(ys))
    centre = int(xs[at]), int(ys[at])
    across, down = (max(1, int((np.ptp(line) + 1) * random.uniform(*part))) for line in (xs, ys))
    drawn, turned = np.zeros_like(mask), random.uniform(0, 180)
    return cv2.ellipse(drawn, centre, (across, down), turned, 0, 360, color=1, thickness=-1)


def remove_objects(frame: AnnotatedFrame) -> Picture:
    """Return a frame without its objects; the holes are inpainted."""
    picture, labels = frame
    hole = cv2.dilate((labels > 0).astype(np.uint8), np.ones((5, 5), np.uint8))
    return cv2.inpaint(picture, hole, 5, cv2.INPAINT_TELEA)


def compose_layers(layers: Sequence[Layer]) -> Layer:
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
