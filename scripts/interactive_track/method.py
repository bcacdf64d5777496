"""MiVOS on the interactive track: scribbles become masks of a frame, which are then propagated."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import normalise
from dataset.interactive.scribbles import NONE, scribble_map
from dataset.video_files.frame_source import FrameSource
from model import InteractiveCore
from model.interactive.scribble_to_mask import ScribbleSegmenter

ROUND = 3  # interactions on a frame before its masks are propagated, as published


# Whether masks are propagated after an interaction, given its number and the last one's.
POLICIES: dict[str, Callable[[int, int], bool]] = {
    "published": lambda number, last: number % ROUND == 0 or number == last,  # 3, 6 and 8 of 8
    "every": lambda number, last: True,
}


class NormalisedFrames(Sequence[Tensor]):
    """Normalised frames `3 x H x W`, decoded on demand."""

    def __init__(self, frames: FrameSource) -> None:
        self.frames = frames

    def __len__(self) -> int:
        return len(self.frames.names)

    def __getitem__(self, index: Any) -> Any:  # the signature of Sequence; only for integers
        return normalise(self.frames.read(index))


class InteractiveMethod:
    """Answers the scribbles of one sample.

    Between propagations only the mask of the scribbled frame changes, and the next scribbles are requested
    there.

    Args:
        frames: frames of the sequence.
        labels: labels of the objects.
        segmenter: segmenter that turns scribbles into masks.
        propagation: interactive engine without masks.
        policy: one of `POLICIES`.
        last: number of the sample's last interaction.
    """

    def __init__(
        self,
        frames: FrameSource,
        labels: Sequence[int],
        segmenter: ScribbleSegmenter,
        propagation: InteractiveCore,
        policy: Callable[[int, int], bool],
        last: int,
    ) -> None:
        self.frames = frames
        self.labels = labels
        self.segmenter = segmenter
        self.propagation = propagation
        self.policy = policy
        self.last = last
        self.number = 0  # of interactions
        height, width = frames.read(0).shape[:2]
        self.masks = np.zeros((len(frames.names), height, width), np.uint8)  # label maps so far
        self.pending: set[int] = set()  # frames whose masks are not propagated yet

    def answer(self, scribbles: Mapping[str, Any]) -> tuple[NDArray[np.uint8], list[int] | None]:
        """Return label maps `T x H x W`, and the frames for the next scribbles (None: any frame).

        Args:
            scribbles: scribbles of the last interaction, as the session gives them. Without scribbles the
                masks do not change.
        """
        self.number += 1
        drawn = {frame: lines for frame, lines in enumerate(scribbles["scribbles"]) if lines}
        for frame, lines in drawn.items():
            self.masks[frame] = self._segment(self.frames.read(frame), lines, self.masks[frame])
            self.pending.add(frame)
        if not self.policy(self.number, self.last):
            return self.masks, list(drawn) or [scribbles["annotated_frame"]]
        if self.pending and self.masks.any():
            self._propagate()
        return self.masks, None

    def _segment(
        self, picture: NDArray[np.uint8], lines: Sequence[Mapping[str, Any]], previous: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        drawn = scribble_map(lines, picture.shape[:2])
        drawn[~np.isin(drawn, [0, *self.labels])] = NONE
        prob = self.segmenter.segment(picture, drawn, previous, self.labels)
        return np.array([0, *self.labels], np.uint8)[prob.argmax(dim=0).cpu().numpy()]

    def _propagate(self) -> None:
        for frame in sorted(self.pending):
            self.propagation.give(frame, torch.from_numpy(self.masks[frame].copy()))
        self.pending.clear()
        for _ in self.propagation.propagate():
            pass  # the masks of all frames are read afterwards
        for frame in range(len(self.masks)):
            self.masks[frame] = self.propagation.label_map(frame).cpu().numpy()
