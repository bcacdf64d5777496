"""Quality of masks over time: the numbers by which the interactive track ranks methods."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.interactive_track.measures import choose_metric
from scripts.interactive_track.report import SampleReport

THRESHOLD = 60  # seconds


def summarise(
    samples: Sequence[SampleReport], interactions: int, max_time: float, metric: str
) -> dict[str, Any]:
    """Return the area under the curve of quality over time, and its value at 60 seconds.

    A missing interaction repeats the one before and takes no time; a sample without interactions counts 0.

    Args:
        samples: all samples of the data set, also those that have not run.
        interactions: largest number of interactions per sample.
        max_time: time limit of a sample in seconds, per object.
        metric: "J", "F" or "J_AND_F".

    Returns:
        `{"auc": area / last time, "metric_at_threshold": {"threshold": 60, metric: value},
        "curve": {"time": seconds, metric: values}}`; the curve starts at (0, 0), has a point for each
        interaction, and ends with the last value at the mean time limit of a sample.
    """
    quality = np.concatenate([_quality(sample, interactions, metric) for sample in samples]).mean(axis=0)
    seconds = np.mean([_seconds(sample, interactions) for sample in samples], axis=0)
    limit = np.mean([len(sample.labels) for sample in samples]) * max_time
    time = np.array([0.0, *np.cumsum(seconds), limit])
    values = np.array([0.0, *quality, quality[-1]])
    area = float(np.sum(np.diff(time) * (values[1:] + values[:-1]) / 2))
    return {
        "auc": area / float(time[-1]),
        "metric_at_threshold": {"threshold": THRESHOLD, metric: float(np.interp(THRESHOLD, time, values))},
        "curve": {"time": time.tolist(), metric: values.tolist()},
    }


def _quality(sample: SampleReport, interactions: int, metric: str) -> NDArray[np.float64]:
    """Return each object's mean over frames after each interaction, `K x interactions`."""
    after = [choose_metric(each.scores, metric).mean(axis=0) for each in sample.interactions]
    after = after or [np.zeros(len(sample.labels))]
    return np.stack(after + [after[-1]] * (interactions - len(after)), axis=1)


def _seconds(sample: SampleReport, interactions: int) -> NDArray[np.float64]:
    spent = [each.seconds for each in sample.interactions]
    return np.array(spent + [0.0] * (interactions - len(spent)))
