"""Samples for the fusion network: a frame, and what was carried to it from two others.

The data are what `scripts/generate_fusion.py` writes: `<run>/<video>/<begun at>/<object>/<frame>.png`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from dataset.image_io import list_images, read_image, read_label_map, read_labels
from dataset.random_streams import SampleStreams
from dataset.training_sample import Sample, stack_images
from dataset.training_transforms import (
    IMAGE_FILL,
    Item,
    JitterRange,
    Random,
    adjust,
    as_image,
    as_mask,
    size_of,
)
from util.errors import InputError

log = logging.getLogger(__name__)

JITTER = JitterRange(0.1, 0.03, 0.03, 0.01)
TRIES = 20  # at frames and crops
OWN_TRIES = 5  # of them at the sample's own video; the others at any
DIFFERENT_TRIES = 15  # of them insist that the two masks differ
DIFFERENCE, LEAST_DIFFERENT = 0.1, 100  # pixels whose probabilities are further apart
NO_OBJECT = -1  # a label that no pixel has

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class FusionRun:
    """What one run of `generate_fusion` made of a video."""

    folder: Path
    beginnings: tuple[int, ...]  # frames that masks were carried from

    def prob(self, begun: int, label: int, frame: int) -> Path:
        """Return the file of an object's probabilities on a frame."""
        return self.folder / f"{begun:05}" / f"{label:05}" / f"{frame:05}.png"

    def labels(self, begun: int) -> list[int]:
        """Return the objects that were carried from a frame."""
        return numbers(self.folder / f"{begun:05}")

    def reached(self, begun: int, label: int) -> list[int]:
        """Return the frames that an object was carried to, the one it was carried from included."""
        return numbers(self.folder / f"{begun:05}" / f"{label:05}")

    def reach(self, label: int, a: int, b: int, t: int) -> bool:
        """Tell whether an object was carried from a to b and t, and from b to t."""
        return all(self.prob(begun, label, frame).is_file() for begun, frame in ((a, b), (a, t), (b, t)))


@dataclass(frozen=True)
class FusionVideo:
    """A video of which data were made, in one run or several."""

    name: str
    frames: list[Path]
    masks: list[Path]  # as many
    runs: list[FusionRun]


def numbers(folder: Path) -> list[int]:
    """Return the numbers that name the files or folders in a folder, sorted."""
    return sorted(int(path.stem) for path in folder.iterdir() if path.stem.isdigit())


class FusionDataset(Dataset[Sample]):
    """Videos with their generated masks (MiVOS section 4.2).

    Args:
        videos: see `fusion_videos`.
        crop_size: of a sample, a side.
        seed: of the run.
    """

    def __init__(self, videos: Sequence[FusionVideo], crop_size: int = 384, seed: int = 0) -> None:
        self.videos = list(videos)
        self.crop_size = crop_size
        self.streams = SampleStreams(seed)

    def set_epoch(self, epoch: int) -> None:
        """Draw other samples from now on; call it between epochs."""
        self.streams.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample; raises InputError when a file cannot be read.

        Returns:
            rgb, rgb_b: `3 x H x W` float32, normalised: the frame t to fuse on, and the reference frame b.
            seg1, seg12: `1 x H x W` float32, the first and second object's probability at t, carried from a.
            seg2, seg22: the same, carried from b.
            was_b: `2 x H x W` float32, the objects' probabilities at b, carried from a.
            mask_b: `2 x H x W` float32, their truth at b.
            dist: `2` float32, |a-t| / |a-b| and |b-t| / |a-b|.
            selector: `2` float32, which of the objects there are.
            cls_gt: `H x W` int64, the truth at t.
            info: video and frames.
        """
        random = self.streams.generator(index)
        found = None
        for attempt in range(TRIES):
            video = self.videos[index if attempt < OWN_TRIES else random.integers(len(self.videos))]
            tried = draw(video, random)
            if tried is None:
                continue
            found = tried, [self._levels(*pair, tried) for pair in tried.pairs]
            if different(found[1][0][0], found[1][1][0]) >= LEAST_DIFFERENT or attempt >= DIFFERENT_TRIES:
                break
        if found is None:
            raise InputError(
                f"{self.videos[index].runs[0].folder} holds no frames that reach each other with an object: "
                "make its data with a smaller --separation or a larger --range."
            )
        drawn, levels = found
        video = drawn.video
        jitter = JITTER.draw(random)
        images = [
            adjust(self.cropped(as_image(read_image(video.frames[frame])), drawn), jitter)
            for frame in (drawn.t, drawn.b)
        ]
        truth_t, truth_b = (
            self.cropped(as_mask(read_label_map(video.masks[frame])), drawn) for frame in (drawn.t, drawn.b)
        )
        from_a, from_b, was_b = (level.float() / 255 for level in levels)
        mask_b, mask_t = (
            torch.stack([truth == label for label in drawn.labels]) for truth in (truth_b, truth_t)
        )
        rgb, rgb_b = stack_images(images)
        return {
            "rgb": rgb,
            "rgb_b": rgb_b,
            **{"seg1": from_a[:1], "seg12": from_a[1:], "seg2": from_b[:1], "seg22": from_b[1:]},
            "was_b": was_b,
            "mask_b": mask_b.float(),
            "dist": torch.tensor(drawn.distances),
            "selector": torch.tensor([1.0, float(drawn.labels[1] != NO_OBJECT)]),
            "cls_gt": mask_t[0].long() + 2 * mask_t[1].long(),
            "info": {"name": video.name, "frames": f"{drawn.a} and {drawn.b} to {drawn.t}"},
        }

    def _levels(self, begun: int, frame: int, drawn: "Draw") -> tv_tensors.Mask:
        """Return the probabilities of both objects, `2 x crop x crop`, as levels; a missing one has none."""
        paths = [drawn.run.prob(begun, label, frame) for label in drawn.labels if label != NO_OBJECT]
        found = [torch.from_numpy(read_labels(path)) for path in paths]
        found += [torch.zeros_like(found[0])] * (2 - len(found))
        return self.cropped(tv_tensors.Mask(torch.stack(found)), drawn)

    def cropped(self, item: Item, drawn: "Draw") -> Item:
        """Crop an item, padded to the right and below where it is too small, and flip it perhaps."""
        side = self.crop_size
        height, width = size_of(item)
        fill = 0 if isinstance(item, tv_tensors.Mask) else list(IMAGE_FILL)
        padded = F.pad(item, [0, 0, max(0, side - width), max(0, side - height)], fill=fill)
        height, width = size_of(padded)
        top, left = (
            round(part * (length - side)) for part, length in zip(drawn.place, (height, width), strict=True)
        )
        part = F.crop(padded, top, left, side, side)
        return F.horizontal_flip(part) if drawn.flip else part


@dataclass(frozen=True)
class Draw:
    """What is drawn for a sample: frames, objects, and a crop."""

    video: FusionVideo
    run: FusionRun
    a: int  # the first frame that masks were carried from
    b: int  # the second; it was reached from the first
    t: int  # reached from both, perhaps one of them
    labels: tuple[int, int]  # the second may be `NO_OBJECT`
    place: tuple[float, float]  # of the crop between top and bottom, left and right; 0 to 1
    flip: bool

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Where masks begin and the frame to look at: t from a, t from b, b from a."""
        return (self.a, self.t), (self.b, self.t), (self.a, self.b)

    @property
    def distances(self) -> tuple[float, float]:
        """Return how far t lies from a and from b; 1 is the distance of these two."""
        between = abs(self.a - self.b)
        return abs(self.a - self.t) / between, abs(self.b - self.t) / between


def draw(video: FusionVideo, random: Random) -> Draw | None:
    """Draw a sample of a video; None where no second frame fits to the first and t.

    Every choice is uniform over what there is: the run, the frame a, an object carried from it, a frame t
    that it was carried to, then a frame b that it was carried to and from which t was reached, too.
    """
    run = chosen(video.runs, random)
    a = chosen(run.beginnings, random)
    label = chosen(run.labels(a), random)
    t = chosen(run.reached(a, label), random)
    seconds = [b for b in run.beginnings if b != a and run.reach(label, a, b, t)]
    if not seconds:
        return None
    b = chosen(seconds, random)
    others = [other for other in run.labels(a) if other != label and run.reach(other, a, b, t)]
    second = chosen(others, random) if others else NO_OBJECT
    place = random.random(), random.random()
    return Draw(video, run, a, b, t, (label, second), place, random.random() < 0.5)


def chosen(choices: Sequence[Choice], random: Random) -> Choice:
    """Draw one of several."""
    return choices[int(random.integers(len(choices)))]


def different(first: Tensor, second: Tensor) -> int:
    """Return the number of pixels on which two maps of levels are far apart."""
    return int(((first.int() - second.int()).abs() > 255 * DIFFERENCE).sum())


def fusion_videos(runs: Path, images: Path, masks: Path) -> list[FusionVideo]:
    """Find the videos of which data were made.

    Args:
        runs: folder of one or several runs of `scripts/generate_fusion.py`.
        images: folder of pictures for each video.
        masks: folder of label maps for each video.

    Raises:
        InputError: there are none, or the video of some is not there.
    """
    found: dict[str, FusionVideo] = {}
    for folder in sorted(
        path for path in runs.glob("*/*") if path.is_dir() and not path.name.startswith(".")
    ):
        begun = [number for number in numbers(folder) if any((folder / f"{number:05}").iterdir())]
        if len(begun) < 2:
            log.warning("%s is left out: masks were carried from less than two of its frames.", folder)
            continue
        if folder.name not in found:
            found[folder.name] = FusionVideo(folder.name, *_pictures(folder, images, masks), [])
        video = found[folder.name]
        if len(video.frames) <= begun[-1]:
            raise _not_whole(folder, images, masks)
        video.runs.append(FusionRun(folder, tuple(begun)))
    if not found:
        raise InputError(
            f"there are no data for fusion in {runs}: make some with scripts/generate_fusion.py, in a folder "
            "for each run, or fetch them with download_datasets.py --only fusion."
        )
    return [found[name] for name in sorted(found)]


def _pictures(folder: Path, images: Path, masks: Path) -> tuple[list[Path], list[Path]]:
    """Return the pictures and label maps of the video of a generated folder."""
    frames = list_images(images / folder.name)
    truth = {path.stem: path for path in list_images(masks / folder.name)}
    if not frames or any(path.stem not in truth for path in frames):
        raise _not_whole(folder, images, masks)
    return frames, [truth[path.stem] for path in frames]


def _not_whole(folder: Path, images: Path, masks: Path) -> InputError:
    return InputError(
        f"the video of {folder} is not in {images} and {masks}, or not whole: give the data that it was made "
        "from."
    )
