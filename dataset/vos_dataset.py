"""Stages 1 and 2: samples of three frames of a video with the masks of up to two objects."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dataset.image_io import list_images, read_image
from dataset.masks.readers import read_label_map
from dataset.training.sample import FRAMES, TRIED, Sample, SampleSet, sample, shared_int, stack_images
from dataset.training.transforms import (
    Adjustment,
    Affine,
    AffineRange,
    Box,
    JitterRange,
    Mask,
    Picture,
    Random,
    adjust,
    draw_box,
    mirror,
    resize_picture,
    shift,
    stretch,
    to_grey,
    warp,
)
from util.errors import InputError

log = logging.getLogger(__name__)

AREA = (0.36, 1.0)
AREA_BL = (0.25, 1.0)
SHARED_JITTER = JitterRange(0.1, 0.03, 0.03)
GREY_CHANCE = 0.05
FRAME_AFFINE = AffineRange(degrees=15, shear=10)
FRAME_JITTER = JitterRange(0.01, 0.01, 0.01)
TRIES = 5  # most draws per sample to find frames with an object
NAMED = 20  # most videos that a warning names

# BL30K, in pixels of the crop: objects up to BL_TINY on the first frame are left out, and objects up to
# BL_SMALL that reach BL_STAYS_SMALL on another frame.
BL_TINY = 100
BL_SMALL = 900
BL_STAYS_SMALL = 400


@dataclass(frozen=True)
class VideoDraw:
    """Random parameters of a sample: crop, flip, jitter and grey, then an affine and a jitter per frame."""

    box: Box
    flip: bool
    jitter: list[Adjustment]
    grey: bool
    affines: list[Affine]
    frame_jitters: list[list[Adjustment]]


def draw(random: Random, size: tuple[int, int], area: tuple[float, float]) -> VideoDraw:
    """Draw a sample's random parameters from a video of `size` (height, width); `area` as in `draw_box`."""
    return VideoDraw(
        draw_box(random, size, area),
        random.random() < 0.5,
        SHARED_JITTER.draw(random),
        random.random() < GREY_CHANCE,
        [FRAME_AFFINE.draw(random) for _ in range(FRAMES)],
        [FRAME_JITTER.draw(random) for _ in range(FRAMES)],
    )


def draw_frames(random: Random, length: int, max_jump: int) -> list[int]:
    """Draw the three frames of a sample, in order of time or reversed.

    Args:
        random: the sample's generator.
        length: number of frames of the video.
        max_jump: largest gap in frames, at most the length of the video.
    """
    jump = min(length, max_jump)
    start = int(random.integers(length - jump + 1))
    first_step, second_step = (int(step) for step in random.integers(1, jump + 2, size=2))
    frames = choose_frames(length, jump, start, first_step, second_step)
    return frames[::-1] if random.random() < 0.5 else frames


def choose_frames(length: int, jump: int, start: int, first_step: int, second_step: int) -> list[int]:
    """Return the three frames of a draw, with the limits of the original's rule.

    Steps go up to `jump` + 1, and the limits can make two frames equal.

    Args:
        length: number of frames of the video.
        jump: largest gap, at most `length`.
        start: first frame, 0 to `length` - `jump`.
        first_step: step to the second frame, 1 to `jump` + 1.
        second_step: step to the third frame, 1 to `jump` + 1.
    """
    middle = min(start + first_step, length - jump, length - 1)
    last = min(middle + second_step, length - jump // 2, length - 1)
    return [start, middle, last]


class VOSDataset(SampleSet):
    """Videos of several objects, as folders of pictures and label maps.

    Args:
        image_root: folder with a folder of pictures per video.
        mask_root: folder with a folder of label maps per video; frames without one are left out.
        max_jump: largest gap between the frames of a sample, in frames of the video.
        frame_step: gap between two frames on disk, in frames of the video (YouTubeVOS: 5).
        subset: names of the videos to use; None for all.
        is_bl: whether to use BL30K's crops and its rule for small objects.
        crop_size: side of the frames in pixels.
        seed: seed of the run.
        part: number of the data set in the run.
        repeats: draws from each video per epoch.

    Raises:
        InputError: no video has three frames with masks, or none of `TRIED` samples has an object.
    """

    def __init__(
        self,
        image_root: Path,
        mask_root: Path,
        max_jump: int,
        frame_step: int = 1,
        subset: Collection[str] | None = None,
        is_bl: bool = False,
        crop_size: int = 384,
        seed: int = 0,
        part: int = 0,
        repeats: int = 1,
    ) -> None:
        super().__init__(seed, part)
        self.image_root = image_root
        self.mask_root = mask_root
        self.frame_step = frame_step
        self.is_bl = is_bl
        self.crop_size = crop_size
        self.repeats = repeats
        self._max_jump = shared_int(max_jump)
        # Only names are stored: each worker would hold the paths of BL30K's millions of frames.
        folders = (path for path in mask_root.glob("[!.]*") if path.is_dir())
        there = sorted(path.name for path in folders if subset is None or path.name in subset)
        self.videos = [name for name in there if len(self._frames(name)) >= FRAMES]
        if absent := sorted(set(subset or there) - set(self.videos)):
            log.warning(
                "%d videos are not used, since %s has masks of less than %d of their frames: %s",
                *(len(absent), mask_root, FRAMES, ", ".join(absent[:NAMED])),
            )
        if not self.videos:
            raise InputError(
                f"no video has {FRAMES} frames in {image_root} with masks in {mask_root}: "
                "put a folder of pictures and one of label maps there for each video."
            )
        self._check_objects()

    def set_max_jump(self, max_jump: int) -> None:
        """Set the largest gap in frames of the video; call it between epochs."""
        self._max_jump[0] = max_jump

    def __len__(self) -> int:
        return len(self.videos) * self.repeats

    def __getitem__(self, index: int) -> Sample:
        """Return a sample; raise InputError when a file cannot be read.

        After five tries without an object both masks are empty.
        """
        name = self.videos[index % len(self.videos)]
        random = self.generator(index)
        chosen, drawn, masks, labels = self.find(name, random)
        # read pictures last, so that those of failed tries are never decoded
        rgb = stack_images([self._image(path, drawn, i) for i, (path, _) in enumerate(chosen)])
        picked = [int(label) for label in random.permutation(labels)[:2]]
        none = torch.zeros_like(masks, dtype=torch.bool)
        first, second = [*(masks == label for label in picked), none, none][:2]
        return sample(rgb, first, second, name, [path.name for path, _ in chosen])

    def find(self, name: str, random: Random) -> tuple[list[tuple[Path, Path]], VideoDraw, Tensor, list[int]]:
        """Draw frames and random parameters, up to five times, until the first frame has an object.

        Returns:
            The (picture, label map) paths, the random parameters, the augmented label maps `3 x H x W` uint8,
            and the labels to choose from.
        """
        frames = self._frames(name)
        for _ in range(TRIES):
            chosen = [frames[i] for i in draw_frames(random, len(frames), self._jump())]
            label_maps = [read_label_map(mask) for _, mask in chosen]
            drawn = draw(random, label_maps[0].shape, AREA_BL if self.is_bl else AREA)
            warped = [self._mask(mask, drawn, i) for i, mask in enumerate(label_maps)]
            masks = torch.from_numpy(np.stack(warped))
            labels = _large_enough(masks) if self.is_bl else _labels(masks[0])
            if labels:
                break
        return chosen, drawn, masks, labels

    def _check_objects(self) -> None:
        """Raise InputError when no sample of `TRIED`, evenly spread over the videos, has an object."""
        random = np.random.default_rng(0)
        tried = (self.videos[number * len(self.videos) // TRIED] for number in range(TRIED))
        if not any(self.find(name, random)[-1] for name in tried):
            small = f"; objects up to {BL_TINY} pixels of a crop are left out" if self.is_bl else ""
            raise InputError(
                f"there is nothing to train on in {self.mask_root}: {TRIED} samples were drawn from its "
                f"{len(self.videos)} videos, and none has an object on its first frame (0 is background, and "
                f"255 in a paletted mask is void{small})."
            )

    def _jump(self) -> int:
        return max(1, int(self._max_jump[0]) // self.frame_step)

    def _frames(self, name: str) -> list[tuple[Path, Path]]:
        """List a video's pictures that have a label map."""
        masks = {path.stem: path for path in list_images(self.mask_root / name)}
        pictures = list_images(self.image_root / name)
        return [(path, masks[path.stem]) for path in pictures if path.stem in masks]

    def _mask(self, mask: Mask, drawn: VideoDraw, frame: int) -> Mask:
        """Crop, flip, resize and apply the affine in one step."""
        part = drawn.box.of(mask)
        matrix = stretch(self.crop_size / part.shape[1], self.crop_size / part.shape[0])
        if drawn.flip:
            matrix = shift(self.crop_size, 0) @ stretch(-1, 1) @ matrix
        size = (self.crop_size, self.crop_size)
        return warp(part, drawn.affines[frame].matrix(*size) @ matrix, size)

    def _image(self, path: Path, drawn: VideoDraw, frame: int) -> Picture:
        """Crop, resize (with antialiasing, so before the affine), flip, jitter, apply the affine, jitter."""
        needed = self.crop_size / min(drawn.box.height, drawn.box.width)
        size = (self.crop_size, self.crop_size)
        image = resize_picture(drawn.box.of(read_image(path, short_side=round(needed))), size)
        if drawn.flip:
            image = mirror(image)
        image = adjust(image, drawn.jitter)
        if drawn.grey:
            image = to_grey(image)
        image = warp(image, drawn.affines[frame].matrix(*size), size)
        return adjust(image, drawn.frame_jitters[frame])


def _labels(mask: Tensor) -> list[int]:
    """Return the labels above 0 of a label map."""
    counts = torch.bincount(mask.flatten(), minlength=1)  # several times faster than torch.unique
    counts[0] = 0
    return counts.nonzero()[:, 0].tolist()


def _large_enough(masks: Tensor) -> list[int]:
    """Return the labels of the first of three label maps that pass BL30K's rule for small objects."""
    areas = {label: (masks == label).sum((1, 2)).tolist() for label in _labels(masks[0])}
    return [
        label
        for label, (first, *others) in areas.items()
        if first > BL_SMALL or (first > BL_TINY and max(others) < BL_STAYS_SMALL)
    ]
