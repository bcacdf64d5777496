"""Region similarity J and boundary measure F of the DAVIS benchmarks (Perazzi et al., CVPR 2016, section 5).

Each object is scored inside its bounding box, and distances between boundaries come from one distance
transform; so a video of 80 frames at 480p takes about a second.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

BOUND = 0.008  # tolerance of boundaries, relative to the picture's diagonal

METRICS = ("J", "F", "J_AND_F")

Mask = NDArray[np.bool_]  # H x W


def chosen(scores: NDArray[np.float64], metric: str) -> NDArray[np.float64]:
    """Return one of `METRICS` from scores `... x 2` of J and F."""
    return scores.mean(axis=-1) if metric == "J_AND_F" else scores[..., METRICS.index(metric)]


def score_video(
    prediction: NDArray[np.integer], truth: NDArray[np.integer], labels: Sequence[int]
) -> NDArray[np.float64]:
    """Return J and F of each object on each frame: `T x K x 2`, 0 to 1, 1 where both masks are empty.

    Args:
        prediction: predicted label maps `T x H x W`.
        truth: true label maps `T x H x W`.
        labels: labels of the K objects.
    """
    return np.array(
        [
            [score(frame == label, true == label) for label in labels]
            for frame, true in zip(prediction, truth, strict=True)
        ]
    )


def score(mask: Mask, truth: Mask) -> tuple[float, float]:
    """Return J and F of an object's mask `H x W`."""
    tolerance = math.ceil(BOUND * math.hypot(*truth.shape))  # of the whole picture
    box = box_of(mask | truth)
    return jaccard(mask[box], truth[box]), boundary_f(mask[box], truth[box], tolerance)


def box_of(mask: Mask) -> tuple[slice, slice]:
    """Return the bounding box of a mask `H x W` with a margin of one pixel, inside of the picture."""
    bounds = []
    for axis, length in ((1, mask.shape[0]), (0, mask.shape[1])):
        inside = np.flatnonzero(mask.any(axis=axis))
        first, last = (inside[0], inside[-1]) if len(inside) else (0, -1)
        bounds.append(slice(max(0, first - 1), min(length, last + 2)))
    return bounds[0], bounds[1]


def jaccard(mask: Mask, truth: Mask) -> float:
    """Return the intersection over the union of two masks `H x W`; 1 when both are empty."""
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def boundary_f(mask: Mask, truth: Mask, tolerance: int) -> float:
    """Return the F-measure of the boundary: the harmonic mean of its precision and its recall.

    Args:
        mask: predicted mask `H x W`.
        truth: true mask `H x W`.
        tolerance: largest distance of matching boundaries in pixels.

    Returns:
        0 to 1; 1 when neither mask has a boundary.
    """
    drawn, true = boundary(mask), boundary(truth)
    if not drawn.any() or not true.any():
        return float(drawn.any() == true.any())
    precision = _share_near(drawn, true, tolerance)
    recall = _share_near(true, drawn, tolerance)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary(mask: Mask) -> Mask:
    """Return the pixels of `H x W` that differ from their neighbour to the right, below, or both."""
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    edge[:-1] |= mask[:-1] != mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return edge


def _share_near(boundary: Mask, other: Mask, tolerance: int) -> float:
    """Return the share of a boundary that is within the tolerance of another one."""
    distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(np.mean(distance[boundary] < tolerance + 1e-3))  # squares are whole numbers
