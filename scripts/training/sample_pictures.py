"""Pictures of training samples, to look at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from dataset.image_io import denormalise
from dataset.training.sample import Sample

COLOURS = {1: (255, 40, 40), 2: (40, 255, 40)}
LINE = 2  # pixels
GAP = 6


def sample_grid(samples: Sequence[Sample], columns: int = 2) -> NDArray[np.uint8]:
    """Lay samples out: three frames side by side each, the first object outlined in red, the second in green.

    Args:
        samples: of `StaticDataset` or `VOSDataset`.
        columns: samples in a row.

    Returns:
        H x W x 3, RGB.
    """
    strips = [sample_strip(sample) for sample in samples]
    height, width, _ = strips[0].shape
    rows = -(-len(strips) // columns)
    grid = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for index, strip in enumerate(strips):
        top, left = index // columns * (height + GAP), index % columns * (width + GAP)
        grid[top : top + height, left : left + width] = strip
    return grid


def sample_strip(sample: Sample) -> NDArray[np.uint8]:
    """Return a sample's frames side by side, `H x 3W x 3`."""
    frames = zip(sample["rgb"], sample["cls_gt"], strict=True)
    return np.concatenate([_outlined(denormalise(rgb), labels.numpy()) for rgb, labels in frames], axis=1)


def _outlined(image: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    for label, colour in COLOURS.items():
        mask = labels == label
        image[mask & ~binary_erosion(mask, iterations=LINE)] = colour
    return image
