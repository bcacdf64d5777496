"""Arithmetic on frames, probabilities and labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Size = tuple[int, int]  # height, width

EPSILON = np.float32(1e-7)  # how near to 0 and 1 probabilities come


def normalise(picture: NDArray[np.uint8], mean: Floats, std: Floats) -> Floats:
    """Return an RGB picture `H x W x 3` as `3 x H x W` of zero mean and unit variance."""
    planes = picture.astype(np.float32).transpose(2, 0, 1)
    return (planes / np.float32(255) - mean[:, None, None]) / std[:, None, None]


def padding_for(size: Size, multiple: int) -> list[tuple[int, int]]:
    """Return how many rows and columns of zeros come before and after a picture, so that it fits a network.

    Both sides become multiples of `multiple`; of an odd number of zeros the last comes after the picture.
    """
    extra = [-side % multiple for side in size]
    return [(zeros // 2, zeros - zeros // 2) for zeros in extra]


def aggregate(objects: Floats) -> Floats:
    """Return probabilities of background and objects, `(K+1) x H x W`, which sum to one.

    The background is what no object claims. Each probability counts by its odds p / (1 - p).

    Args:
        objects: independent probabilities, `K x H x W`.
    """
    background = np.prod(1 - objects, axis=0, keepdims=True)
    prob = np.concatenate([background, objects]).clip(EPSILON, 1 - EPSILON)
    odds = prob / (1 - prob)
    return odds / odds.sum(axis=0)


def sigmoid(logits: Floats) -> Floats:
    """Return probabilities of logits."""
    return 1 / (1 + np.exp(-logits.clip(-80, 80)))


def most_probable(prob: Floats, labels: Sequence[int], size: Size) -> NDArray[Any]:
    """Return the label of the most probable channel of each pixel, after bilinear resizing to `size`.

    Args:
        prob: `(K+1) x h x w`.
        labels: of the K+1 channels.
        size: of the result.

    Returns:
        `H x W`, uint8, or int32 when a label exceeds 255.
    """
    rows, columns = (bilinear(old, new) for old, new in zip(prob.shape[1:], size, strict=True))
    best = rows @ prob[0] @ columns.T
    result = np.full(size, labels[0], np.uint8 if max(labels) < 256 else np.int32)
    for channel, label in zip(prob[1:], labels[1:], strict=True):  # one at a time, to save memory
        candidate = rows @ channel @ columns.T
        result[candidate > best] = label
        best = np.maximum(best, candidate)
    return result


def reduce_frame(image: Floats, size: Size) -> Floats:
    """Reduce a normalised frame `3 x H x W` to `size` by bicubic interpolation that averages over pixels."""
    rows, columns = (bicubic(old, new) for old, new in zip(image.shape[1:], size, strict=True))
    return np.matmul(rows @ image, columns.T)


def reduce_labels(labels: NDArray[Any], size: Size) -> NDArray[Any]:
    """Reduce a label map `H x W` to `size`; each pixel takes the label of one pixel."""
    rows, columns = (
        (np.arange(new, dtype=np.float32) * np.float32(old / new)).astype(np.intp)
        for old, new in zip(labels.shape, size, strict=True)
    )
    return labels[rows[:, None], columns]


def bilinear(old: int, new: int) -> Floats:
    """Return the weights `new x old` of bilinear interpolation along one side; pixels have centres."""
    centre = ((np.arange(new) + 0.5) * (old / new) - 0.5).clip(0, old - 1)
    return np.maximum(0, 1 - np.abs(centre[:, None] - np.arange(old))).astype(np.float32)


def bicubic(old: int, new: int) -> Floats:
    """Return the weights `new x old` of bicubic reduction along one side, a = -0.5, widened by old / new."""
    scale = old / new
    x = np.abs((np.arange(old) + 0.5 - (np.arange(new)[:, None] + 0.5) * scale) / scale)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
