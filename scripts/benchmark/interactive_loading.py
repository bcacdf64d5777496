"""Samples a second of S2M's and fusion's training data on one core, and where their time goes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np

from dataset import static_dataset
from dataset.image_io import list_images
from dataset.masks.readers import read_label_map
from dataset.masks.writer import write_mask
from dataset.training import fusion_dataset, random_scribbles, s2m_dataset
from dataset.training.fusion_dataset import FusionDataset
from dataset.training.fusion_draws import FusionRun, FusionVideo
from dataset.training.s2m_dataset import S2MDataset
from dataset.training.s2m_pictures import StaticPictures
from scripts.benchmark.timing import Report

S2M_CROP, FUSION_CROP = 480, 384  # what the two are trained at
DRIFT = 6  # pixels by which made-up probabilities are off

Place = tuple[object, str]  # a module or class, and one of its functions
S2M_PARTS: dict[str, Sequence[Place]] = {
    "reading": [(StaticPictures, "picture")],
    "cropping and turning": [(S2MDataset, "cropped")],
    "colours": [(s2m_dataset, "adjust")],
    "mistaken masks": [(s2m_dataset, "perturbed")],
    "scribbles of the robot": [(random_scribbles, "robot_lines")],
    "other scribbles": [(random_scribbles, "scribbles_on_regions"), (random_scribbles, "free_curves")],
}
FUSION_PARTS: dict[str, Sequence[Place]] = {
    "choosing frames": [(fusion_dataset, "draw")],
    "reading frames": [(fusion_dataset, "read_image")],
    "reading masks and probabilities": [(fusion_dataset, "read_label_map"), (fusion_dataset, "read_labels")],
    "cropping": [(FusionDataset, "cropped")],
    "colours": [(fusion_dataset, "adjust")],
}


def time_s2m(name: str, folder: Path, samples: int, report: Report) -> None:
    """Time samples of S2M from a folder of pictures with masks."""
    pictures = StaticPictures(static_dataset.flat_folder(folder), S2M_CROP, seed=0)
    _time(name, pictures, samples, S2M_PARTS, report)


def time_fusion(name: str, images: Path, masks: Path, folder: Path, samples: int, report: Report) -> None:
    """Time samples of fusion; the masks carried through the one video there are made up in `folder`."""
    frames, truth = list_images(images / "video"), list_images(masks / "video")
    made = FusionRun(folder, (0, len(frames) - 1))
    video = FusionVideo("video", frames, truth, [made])
    for begun in made.beginnings:
        _make_probabilities(video, begun)
    _time(name, FusionDataset([video], FUSION_CROP), samples, FUSION_PARTS, report)


def _make_probabilities(video: FusionVideo, begun: int) -> None:
    """Write what could have been carried from a frame: the true masks, soft and off."""
    off = np.array([[1, 0, DRIFT if begun else -DRIFT], [0, 1, 0]], np.float32)
    for index, path in enumerate(video.masks):
        labels = np.asarray(read_label_map(path))
        for label in np.unique(labels[labels > 0]):
            soft = cv2.GaussianBlur(np.where(labels == label, 255, 0).astype(np.uint8), (0, 0), 2)
            moved = cv2.warpAffine(soft, off, labels.shape[::-1])
            write_mask(video.runs[0].prob(begun, int(label), index), moved.astype(np.uint8), None)


def _time(
    name: str,
    dataset: S2MDataset | FusionDataset,
    samples: int,
    parts: dict[str, Sequence[Place]],
    report: Report,
) -> None:
    """Print samples a second, then the share of each part of the work."""

    def draw() -> float:
        start = time.perf_counter()
        for number in range(samples):
            dataset.set_epoch(number // len(dataset))
            dataset[number % len(dataset)]
        return time.perf_counter() - start

    dataset[0]  # warms up
    report.number(f"{name}, one core", samples / draw(), "samples/s")
    with clocked(parts) as seconds:
        whole = draw()
    for part, spent in seconds.items():
        report.number(f"of it {part}", 100 * spent / whole, "%")


@contextmanager
def clocked(parts: dict[str, Sequence[Place]]) -> Iterator[dict[str, float]]:
    """Within the context, add up the seconds spent in functions, by part; they must not call each other."""
    seconds = dict.fromkeys(parts, 0.0)

    def timed(part: str, function: Callable[..., object]) -> Callable[..., object]:
        def run(*args: object, **options: object) -> object:
            start = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                seconds[part] += time.perf_counter() - start

        return run

    with ExitStack() as replaced:
        for part, places in parts.items():
            for owner, attribute in places:
                function = getattr(owner, attribute)
                replaced.enter_context(patch.object(owner, attribute, timed(part, function)))
        yield seconds
