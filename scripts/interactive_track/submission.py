"""Checks of the masks that a method submits to the interactive track."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataset.interactive.davis_interactive import TrackSequence
from util.errors import InputError


def checked_masks(masks: ArrayLike, sequence: TrackSequence) -> NDArray[np.uint8]:
    """Return label maps `T x H x W`.

    Raises:
        InputError: the masks have another shape than the sequence, or unknown labels.
    """
    shape = (len(sequence), *sequence.size)
    try:
        labels = np.asarray(masks)
    except ValueError as error:  # frames of several sizes
        raise InputError(f"the masks of {sequence.name} are not all of one size: make them so.") from error
    if labels.shape != shape or labels.dtype.kind not in "bui":
        raise InputError(
            f"the masks of {sequence.name} are {labels.shape} of {labels.dtype}: submit label maps of whole "
            f"numbers, {shape} (frames, height, width)."
        )
    unknown = sorted(set(np.unique(labels).tolist()) - {0, *sequence.labels})
    if unknown:
        raise InputError(
            f"the masks of {sequence.name} have the label {unknown[0]}, which is none of its objects "
            f"({', '.join(map(str, sequence.labels))}): submit their labels, and 0 for background."
        )
    return labels.astype(np.uint8)


def checked_candidates(candidates: Sequence[int] | None, frames: int) -> Sequence[int]:
    """Return the frames that the robot may choose from; raise InputError when one is not valid."""
    if candidates is None:
        return range(frames)
    if not len(candidates) or any(each not in range(frames) for each in candidates):
        raise InputError(
            f"the next frame's candidates are {list(candidates)}: give frames from 0 to {frames - 1}, or "
            "None for all."
        )
    return [int(each) for each in candidates]
