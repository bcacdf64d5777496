"""Training samples of the fusion network: a frame, and masks propagated to it from two other frames.

`scripts/generate_fusion.py` writes the masks: `<run>/<video>/<begun at>/<object>/<frame>.png`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import list_images, read_image
from dataset.masks.readers import read_label_map, read_labels
from dataset.training.sample import Sample, SampleSet, stack_images
from dataset.training.transforms import JitterRange, Random, add_border, adjust, mirror
from util.errors import InputError

log = logging.getLogger(__name__)

JITTER = JitterRange(0.1, 0.03, 0.03, 0.01)
TRIES = 20  # largest number of draws for a sample
OWN_TRIES = 5  # draws from the sample's own video; later ones are from any video
DIFFERENT_TRIES = 15  # number of draws that require different masks
DIFFERENCE, LEAST_DIFFERENT = 0.1, 100  # least difference of probabilities, and number of such pixels

NO_OBJECT = -1  # stands for a missing second object, since no pixel has this label

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class FusionRun:
    """The masks of a video from one run of `generate_fusion`."""

    folder: Path
    beginnings: tuple[int, ...]  # frames that masks were propagated from

    def prob(self, begun: int, label: int, frame: int) -> Path:
        """Return the path of an object's probabilities on a frame."""
        return self.folder / f"{begun:05}" / f"{label:05}" / f"{frame:05}.png"

    def reach(self, label: int, a: int, b: int, t: int) -> bool:
        """Return whether an object was propagated from a to b and t, and from b to t."""
        return all(self.prob(begun, label, frame).is_file() for begun, frame in ((a, b), (a, t), (b, t)))


@dataclass(frozen=True)
class FusionVideo:
    """A video with generated masks of one or several runs."""

    name: str
    frames: list[Path]
    masks: list[Path]
    runs: list[FusionRun]


def list_numbers(folder: Path) -> list[int]:
    """Return the numbers that name the files or folders in a folder, sorted."""
    return sorted(int(path.stem) for path in folder.iterdir() if path.stem.isdigit())


@dataclass(frozen=True)
class Draw:
    """Random parameters of a sample: frames, objects, and crop."""

    video: FusionVideo
    run: FusionRun
    a: int  # first frame that masks were propagated from
    b: int  # second frame; masks were also propagated to it from a
    t: int  # frame that masks were propagated to from both; it may be a or b
    labels: tuple[int, int]  # labels of two objects; the second may be `NO_OBJECT`
    position: tuple[float, float]  # position of the crop between top and bottom, left and right; 0 to 1
    flip: bool

    @property
    def distances(self) -> tuple[float, float]:
        """Return the distances of t from a and from b, relative to that of a from b."""
        between = abs(self.a - self.b)
        return abs(self.a - self.t) / between, abs(self.b - self.t) / between


def draw(video: FusionVideo, random: Random) -> Draw | None:
    """Draw a sample of a video; return None when no frame b fits to a and t.

    Each choice is uniform: the run, the frame a, an object propagated from a, a frame t reached from a, and a
    frame b reached from a from which t was reached too.
    """
    run = draw_one(video.runs, random)
    a = draw_one(run.beginnings, random)
    labels = list_numbers(run.folder / f"{a:05}")
    label = draw_one(labels, random)
    t = draw_one(list_numbers(run.prob(a, label, 0).parent), random)
    seconds = [b for b in run.beginnings if b != a and run.reach(label, a, b, t)]
    if not seconds:
        return None
    b = draw_one(seconds, random)
    others = [other for other in labels if other != label and run.reach(other, a, b, t)]
    second = draw_one(others, random) if others else NO_OBJECT
    position = random.random(), random.random()
    return Draw(video, run, a, b, t, (label, second), position, random.random() < 0.5)


def draw_one(choices: Sequence[Choice], random: Random) -> Choice:
    """Draw one of several."""
    return choices[int(random.integers(len(choices)))]


class FusionDataset(SampleSet):
    """Videos with their generated masks (MiVOS section 4.2).

    Args:
        videos: videos with generated masks, see `find_fusion_videos`.
        crop_size: side of a sample in pixels.
        seed: seed of the run.
    """

    def __init__(self, videos: Sequence[FusionVideo], crop_size: int = 384, seed: int = 0) -> None:
        super().__init__(seed)
        self.videos = list(videos)
        self.crop_size = crop_size

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample; raise InputError when a file cannot be read.

        Returns:
            rgb, rgb_b: `3 x H x W` float32, normalised: the frame t to fuse on, and the reference frame b.
            seg1, seg12: `1 x H x W` float32, both objects' probabilities at t, propagated from a.
            seg2, seg22: the same, propagated from b.
            was_b: `2 x H x W` float32, both objects' probabilities at b, propagated from a.
            mask_b: `2 x H x W` float32, both objects' true masks at b.
            dist: `2` float32, |a-t| / |a-b| and |b-t| / |a-b|.
            selector: `2` float32, 1 for an object that exists, else 0.
            cls_gt: `H x W` int64, the ground truth at t.
            info: video and frames.
        """
        random = self.generator(index)
        drawn, from_a, from_b = self._drawn(index, random)
        video, jitter = drawn.video, JITTER.draw(random)
        rgb, rgb_b = stack_images(
            [adjust(self.cropped(read_image(video.frames[i]), drawn), jitter) for i in (drawn.t, drawn.b)]
        )
        mask_t, mask_b = (
            torch.from_numpy(np.stack([truth == label for label in drawn.labels]))
            for truth in (self.cropped(read_label_map(video.masks[i]), drawn) for i in (drawn.t, drawn.b))
        )
        return {
            "rgb": rgb,
            "rgb_b": rgb_b,
            **{"seg1": from_a[:1], "seg12": from_a[1:], "seg2": from_b[:1], "seg22": from_b[1:]},
            "was_b": self._prob(drawn.a, drawn.b, drawn),
            "mask_b": mask_b.float(),
            "dist": torch.tensor(drawn.distances),
            "selector": torch.tensor([1.0, float(drawn.labels[1] != NO_OBJECT)]),
            "cls_gt": mask_t[0].long() + 2 * mask_t[1].long(),
            "info": {"name": video.name, "frames": f"{drawn.a} and {drawn.b} to {drawn.t}"},
        }

    def _drawn(self, index: int, random: Random) -> tuple[Draw, Tensor, Tensor]:
        """Draw frames and objects; return them, and the probabilities at t from a and from b."""
        found = None
        for attempt in range(TRIES):
            video = self.videos[index if attempt < OWN_TRIES else random.integers(len(self.videos))]
            tried = draw(video, random)
            if tried is None:
                continue
            found = tried, self._prob(tried.a, tried.t, tried), self._prob(tried.b, tried.t, tried)
            different = (found[1][0] - found[2][0]).abs() > DIFFERENCE
            if different.sum() >= LEAST_DIFFERENT or attempt >= DIFFERENT_TRIES:
                break
        if found is None:
            raise InputError(
                f"{self.videos[index].runs[0].folder} has no pair of frames with masks propagated from one "
                "to the other: make its data with a smaller --separation or a larger --range."
            )
        return found

    def _prob(self, begun: int, frame: int, drawn: Draw) -> Tensor:
        """Return the probabilities of both objects, `2 x H x W`; a missing object is 0."""
        paths = [drawn.run.prob(begun, label, frame) for label in drawn.labels if label != NO_OBJECT]
        found = [self.cropped(read_labels(path), drawn) for path in paths]
        return torch.from_numpy(np.stack([*found, np.zeros_like(found[0])][:2])).float() / 255

    def cropped(self, item: NDArray[np.uint8], drawn: Draw) -> NDArray[np.uint8]:
        """Pad a picture or mask at the right and bottom if needed, crop it, and flip it if drawn."""
        side = self.crop_size
        height, width = item.shape[:2]
        padded = add_border(item, 0, max(0, side - height), 0, max(0, side - width))
        top, left = (
            round(part * max(0, length - side))
            for part, length in zip(drawn.position, (height, width), strict=True)
        )
        part = padded[top : top + side, left : left + side]
        return mirror(part) if drawn.flip else part


def find_fusion_videos(runs: Path, images: Path, masks: Path) -> list[FusionVideo]:
    """Find the videos with generated masks.

    Args:
        runs: folder of one or several runs of `scripts/generate_fusion.py`.
        images: folder with a folder of pictures per video.
        masks: folder with a folder of label maps per video.

    Raises:
        InputError: there are no generated masks, or their video is missing.
    """
    found: dict[str, FusionVideo] = {}
    for folder in sorted(path for path in runs.glob("*/[!.]*") if path.is_dir()):
        begun = [number for number in list_numbers(folder) if any((folder / f"{number:05}").iterdir())]
        if len(begun) < 2:
            log.warning("%s is left out: masks were propagated from less than two of its frames.", folder)
            continue
        frames = list_images(images / folder.name)
        truth = {path.stem: path for path in list_images(masks / folder.name)}
        if len(frames) <= begun[-1] or any(path.stem not in truth for path in frames):
            raise InputError(
                f"the video of {folder} is missing or incomplete in {images} and {masks}: give the data that "
                "it was made from."
            )
        video = FusionVideo(folder.name, frames, [truth[path.stem] for path in frames], [])
        found.setdefault(folder.name, video).runs.append(FusionRun(folder, tuple(begun)))
    if not found:
        raise InputError(
            f"there are no data for fusion in {runs}: make some with scripts/generate_fusion.py, in a folder "
            "for each run, or fetch them with download_datasets.py --only fusion."
        )
    return [found[name] for name in sorted(found)]
