"""J (region) and F (boundary) of label maps on every frame, computed by vos-benchmark."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from vos_benchmark.evaluator import Evaluator

METRICS = ("J", "F", "J_AND_F")


def choose_metric(scores: NDArray[np.float64], metric: str) -> NDArray[np.float64]:
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
    evaluator = Evaluator()
    evaluator.objects_in_gt.update(labels)  # also those that the first frames do not show
    for frame, true in zip(prediction, truth, strict=True):
        evaluator.feed_frame(frame, true)
    measures = evaluator.object_iou, evaluator.boundary_f
    return np.array([[measure[label] for label in labels] for measure in measures], np.float64).T
