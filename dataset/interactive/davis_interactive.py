"""Data of the DAVIS interactive track: ground truth on every frame of a sequence, and scribble files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset.davis_test_dataset import RESOLUTION, SPLITS_2017
from dataset.image_io import list_images
from dataset.interactive.scribbles import read_scribbles
from dataset.masks.readers import read_label_map, read_merged
from dataset.video_folders import read_names
from util.background import prefetch
from util.errors import InputError

ONE_OBJECT_LABEL = 1  # label of the object in masks of 0 and 255


@dataclass(frozen=True)
class TrackSequence:
    """A sequence with ground truth."""

    name: str
    annotations: tuple[Path, ...]  # label map of each frame
    frames: tuple[Path, ...]  # picture of each frame; empty when the data set has no pictures of the sequence
    size: tuple[int, int]  # (H, W) of all frames
    labels: tuple[int, ...]  # labels of the objects, rising
    merged: bool  # whether all labels above 0 are one object
    scribbles: Mapping[int, dict[str, Any]]  # content of the scribble files by number

    def __len__(self) -> int:
        return len(self.annotations)

    def read_truth(self) -> NDArray[np.uint8]:
        """Return the label maps of the ground truth, `T x H x W`."""
        return np.stack(list(prefetch(lambda path: _read_truth(path, self.merged), self.annotations)))


def find_sequences(root: Path, subset: str) -> list[TrackSequence]:
    """Return the sequences of a data set, in the order of its list.

    Args:
        root: folder of `Annotations/480p/<sequence>` and possibly `Scribbles/<sequence>/<number>.json`, or
            the folder above (`trainval`).
        subset: name of the list in `ImageSets/2017` (several objects), or else in `ImageSets/2016` or
            `ImageSets/480p` (one object each). Without these folders all folders of annotations are taken.

    Raises:
        InputError: a list or sequence is missing, a mask is missing or damaged, or a scribble file does not
            fit its sequence.
    """
    inner = root / SPLITS_2017["val"][0]
    root = inner if inner.is_dir() else root
    annotations = root / "Annotations" / RESOLUTION
    if not annotations.is_dir():
        raise InputError(f"there is no folder {annotations}: point to a data set in the layout of DAVIS.")
    names, merged = _listed(root, subset)
    sequences = [_sequence(root, name, merged) for name in names]
    if not sequences:
        raise InputError(f"there is no sequence in {annotations}: it needs a folder of masks for each.")
    return sequences


def _listed(root: Path, subset: str) -> tuple[list[str], bool]:
    """Return the names of the sequences, and whether each shows one object."""
    lists = root / "ImageSets"
    for edition in ("2017", "2016", RESOLUTION):
        if names := read_names(lists / edition / f"{subset}.txt"):
            return names, edition != "2017"
    if lists.is_dir():
        raise InputError(f"there is no list {lists}/2017/{subset}.txt: give a subset that has one.")
    folders = (root / "Annotations" / RESOLUTION).iterdir()
    return sorted(folder.name for folder in folders if folder.is_dir()), False


def _sequence(root: Path, name: str, merged: bool) -> TrackSequence:
    folder = root / "Annotations" / RESOLUTION / name
    annotations = tuple(list_images(folder))
    if not annotations:
        raise InputError(f"there are no masks in {folder}: the track needs ground truth on every frame.")
    frames = tuple(list_images(root / "JPEGImages" / RESOLUTION / name))
    unpaired = {path.stem for path in frames} ^ {path.stem for path in annotations}
    if frames and unpaired:
        raise InputError(
            f"{min(unpaired)} of {name} is either a frame without a mask in {folder}, or a mask without a "
            "frame: the track needs both."
        )
    found: set[int] = set()
    sizes: set[tuple[int, ...]] = set()
    for truth in prefetch(lambda path: _read_truth(path, merged), annotations):
        found.update(np.flatnonzero(np.bincount(truth.reshape(-1))).tolist())
        sizes.add(truth.shape)
    if len(sizes) > 1:
        raise InputError(f"the masks in {folder} differ in size: give masks of one size.")
    if not found - {0}:
        raise InputError(f"the masks in {folder} show no object: leave {name} out of the list.")
    if found <= {0, 255} and not merged:
        return _sequence(root, name, merged=True)
    labels = tuple(sorted(found - {0}))
    scribbles = {}
    for path in sorted((root / "Scribbles" / name).glob("*.json")):
        if not path.stem.isdecimal():
            raise InputError(f"{path} has no number as its name: name scribble files 001.json, 002.json, ...")
        scribbles[int(path.stem)] = read_scribbles(path, name, len(annotations), labels[-1])
    height, width = sizes.pop()
    return TrackSequence(name, annotations, frames, (height, width), labels, merged, scribbles)


def _read_truth(path: Path, merged: bool) -> NDArray[np.uint8]:
    if merged:
        return np.where(read_merged(path) > 0, np.uint8(ONE_OBJECT_LABEL), np.uint8(0))
    return read_label_map(path)
