"""Backward propagation from the frames where objects are given, added to the masks of the forward pass."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset.masks.readers import read_labels
from dataset.masks.writer import write_mask
from dataset.video import Video
from model import InferenceCore, PropagationNetwork
from scripts.evaluation.loop import segment, write_probs
from util.progress import FrameProgress


def propagate_back(
    video: Video,
    forward_names: Collection[str],
    network: PropagationNetwork,
    options: dict[str, Any],
    folder: Path,
    progress: FrameProgress,
    probs: Path | None = None,
) -> float:
    """Propagate each object to the frames before its first mask; return the processing time in seconds.

    One engine goes through the reversed video and gets each object on the frame of its first mask. On earlier
    frames the object only fills pixels that are background in the forward pass; so given masks and forward
    results do not change.

    Args:
        video: reversed video, with each object given once.
        forward_names: names of the frames with masks of the forward pass.
        network: the propagation network, in eval mode.
        options: keyword arguments of the engine.
        folder: folder of the masks.
        progress: progress display, advanced once per frame.
        probs: folder of the probabilities; None writes none.
    """
    seconds = 0.0
    given = {video.frames.names[index]: sorted(labels) for index, labels in video.given_labels.items()}
    backward: list[int] = []  # labels of the objects that were given on frames before this one
    for result in segment(video, InferenceCore(network, **options)):
        name = result.frame.name
        if backward:
            path = folder / f"{name}.png"
            labels = np.where(np.isin(result.labels, backward), result.labels, np.uint8(0))
            if name in forward_names:
                labels = joined(read_labels(path), labels)
            write_mask(path, labels, video.palette)
            if probs is not None:
                prob = result.prob[[0, *(1 + result.objects.index(label) for label in backward)]]
                values = prob.float().cpu().numpy()
                _add_probs(probs / f"{name}.npz", values, backward, name in forward_names)
        backward += given.get(name, [])
        seconds += result.seconds
        progress.advance(video.name, result.seconds)
    return seconds


def joined(forward: NDArray[np.uint8], backward: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Join label maps `H x W`: backward labels fill the background of the forward ones."""
    return np.where(forward > 0, forward, backward)


def joined_probs(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> NDArray[np.float32]:
    """Join probabilities `(K+1) x h x w` and `(B+1) x h x w` to `(K+B+1) x h x w`, background first.

    The forward objects keep their probabilities. The forward background is split in proportion to the
    backward probabilities, so that all sum to one.
    """
    total = np.maximum(backward.sum(axis=0, keepdims=True), np.finfo(np.float32).tiny)
    shared = forward[:1] * backward / total
    return np.concatenate([shared[:1], forward[1:], shared[1:]])


def _add_probs(path: Path, prob: NDArray[np.float32], backward: list[int], has_forward: bool) -> None:
    """Write backward probabilities; the file may hold those of the forward pass."""
    objects: list[int] = []
    forward = np.ones_like(prob[:1])
    if has_forward:
        with np.load(path) as saved:
            forward, objects = saved["prob"].astype(np.float32), saved["labels"][1:].tolist()
    write_probs(path, joined_probs(forward, prob).astype(np.float16), [*objects, *backward])
