"""What a method submits to the interactive track, checked."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataset.interactive.davis_interactive import TrackSequence
from util.errors import InputError


def checked_masks(masks: ArrayLike, sequence: TrackSequence) -> NDArray[np.uint8]:
    """Return label maps `T x H x W`.

    Raises:
        InputError: they have another shape than the sequence, or labels that none of its objects has.
    """
    try:
        labels = np.asarray(masks)
    except ValueError as error:  # frames of several sizes
        raise InputError(f"the masks of {sequence.name} are not all of one size: make them so.") from error
    shape = (len(sequence), *sequence.size)
    if labels.shape != shape:
        raise InputError(
            f"the masks of {sequence.name} are {_times(labels.shape)} where {_times(shape)} are asked for "
            "(frames x height x width): submit a label map for each frame, at its size."
        )
    if labels.dtype.kind not in "bui":
        raise InputError(f"the masks of {sequence.name} are of {labels.dtype}: submit whole numbers.")
    unknown = sorted(set(np.unique(labels).tolist()) - {0, *sequence.labels})
    if unknown:
        raise InputError(
            f"the masks of {sequence.name} have the label {unknown[0]}, which is none of its objects "
            f"({', '.join(map(str, sequence.labels))}): submit their labels, and 0 for background."
        )
    return labels.astype(np.uint8)


def checked_candidates(candidates: Sequence[int] | None, frames: int) -> Sequence[int]:
    """Return the frames that the robot may choose from; InputError when there is none, or one is no frame."""
    if candidates is None:
        return range(frames)
    wrong = [each for each in candidates if each not in range(frames)]
    if wrong or not len(candidates):
        what = f"include {wrong[0]}" if wrong else "are none"
        raise InputError(
            f"the next frame's candidates {what}: give frames from 0 to {frames - 1}, or None for all."
        )
    return [int(each) for each in candidates]


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
