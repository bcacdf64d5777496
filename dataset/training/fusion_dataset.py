"""Training samples of the fusion network: a frame, and masks propagated to it from two other frames.

`scripts/generate_fusion.py` writes the masks: `<run>/<video>/<begun at>/<object>/<frame>.png`.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from dataset.image_io import list_images, read_image
from dataset.masks.readers import read_label_map, read_labels
from dataset.training.fusion_draws import NO_OBJECT, Draw, FusionRun, FusionVideo, draw, numbers
from dataset.training.random_streams import SampleStreams
from dataset.training.sample import Sample, stack_images
from dataset.training.transforms import (
    IMAGE_FILL,
    Item,
    JitterRange,
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


class FusionDataset(Dataset[Sample]):
    """Videos with their generated masks (MiVOS section 4.2).

    Args:
        videos: videos with generated masks, see `fusion_videos`.
        crop_size: side of a sample in pixels.
        seed: seed of the run.
    """

    def __init__(self, videos: Sequence[FusionVideo], crop_size: int = 384, seed: int = 0) -> None:
        self.videos = list(videos)
        self.crop_size = crop_size
        self.streams = SampleStreams(seed)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which changes the samples; call it between epochs."""
        self.streams.set_epoch(epoch)

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
        random = self.streams.generator(index)
        found = None
        for attempt in range(TRIES):
            video = self.videos[index if attempt < OWN_TRIES else random.integers(len(self.videos))]
            tried = draw(video, random)
            if tried is None:
                continue
            found = tried, self._levels(tried.a, tried.t, tried), self._levels(tried.b, tried.t, tried)
            if different(found[1][0], found[2][0]) >= LEAST_DIFFERENT or attempt >= DIFFERENT_TRIES:
                break
        if found is None:
            raise InputError(
                f"{self.videos[index].runs[0].folder} has no two frames that masks were propagated between: "
                "make its data with a smaller --separation or a larger --range."
            )
        drawn, *levels = found
        levels.append(self._levels(drawn.a, drawn.b, drawn))
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

    def _levels(self, begun: int, frame: int, drawn: Draw) -> tv_tensors.Mask:
        """Return the probabilities of both objects as grey levels, `2 x crop x crop`; a missing one is 0."""
        paths = [drawn.run.prob(begun, label, frame) for label in drawn.labels if label != NO_OBJECT]
        found = [torch.from_numpy(read_labels(path)) for path in paths]
        found += [torch.zeros_like(found[0])] * (2 - len(found))
        return self.cropped(tv_tensors.Mask(torch.stack(found)), drawn)

    def cropped(self, item: Item, drawn: Draw) -> Item:
        """Pad an item at the right and bottom if needed, crop it, and flip it if drawn."""
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


def different(first: Tensor, second: Tensor) -> int:
    """Return the number of pixels on which two maps of grey levels differ strongly."""
    return int(((first.int() - second.int()).abs() > 255 * DIFFERENCE).sum())


def fusion_videos(runs: Path, images: Path, masks: Path) -> list[FusionVideo]:
    """Find the videos with generated masks.

    Args:
        runs: folder of one or several runs of `scripts/generate_fusion.py`.
        images: folder with a folder of pictures per video.
        masks: folder with a folder of label maps per video.

    Raises:
        InputError: there are no generated masks, or their video is missing.
    """
    found: dict[str, FusionVideo] = {}
    for folder in sorted(
        path for path in runs.glob("*/*") if path.is_dir() and not path.name.startswith(".")
    ):
        begun = [number for number in numbers(folder) if any((folder / f"{number:05}").iterdir())]
        if len(begun) < 2:
            log.warning("%s is left out: masks were propagated from less than two of its frames.", folder)
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
    """Return the pictures and label maps of the video that a folder was generated from."""
    frames = list_images(images / folder.name)
    truth = {path.stem: path for path in list_images(masks / folder.name)}
    if not frames or any(path.stem not in truth for path in frames):
        raise _not_whole(folder, images, masks)
    return frames, [truth[path.stem] for path in frames]


def _not_whole(folder: Path, images: Path, masks: Path) -> InputError:
    return InputError(
        f"the video of {folder} is missing or incomplete in {images} and {masks}: give the data that it was "
        "made from."
    )
