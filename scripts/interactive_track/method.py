"""MiVOS on the interactive track: scribbles become masks of a frame, which are then propagated."""

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import normalise
from dataset.interactive.davis_interactive import TrackSequence
from dataset.interactive.scribbles import NONE, scribble_map
from dataset.video_files.frame_source import FrameSource, PictureFiles
from model import InteractiveCore, load_fusion, load_network, load_s2m
from model.interactive.grab_cut import GrabCutSegmenter
from model.interactive.scribble_to_mask import S2MSegmenter, ScribbleSegmenter
from scripts.evaluation.flags import read_core_options

log = logging.getLogger(__name__)

ROUND = 3  # interactions on a frame before its masks are propagated, as published

# Whether masks are propagated after an interaction, by its number and that of the last one.
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


class Networks:
    """The networks of a run; GrabCut and distance weights replace S2M and fusion without weights."""

    def __init__(self, args: argparse.Namespace, device: torch.device, told: bool) -> None:
        self.propagation = load_network(args.model, device, args.amp)
        self.segmenter: ScribbleSegmenter = GrabCutSegmenter()
        if args.s2m is not None:
            self.segmenter = S2MSegmenter(load_s2m(args.s2m, device, args.amp), widen=True, every_object=True)
        elif told:
            log.info("No weights of S2M (--s2m): GrabCut turns scribbles into masks.")
        self.fusion = None if args.fusion is None else load_fusion(args.fusion, device, args.amp)
        if self.fusion is None and told:
            log.info("No weights of fusion (--fusion): old and new masks are weighted by distance.")
        # the engine would log this for each sample
        logging.getLogger(InteractiveCore.__module__).setLevel(logging.WARNING)


class InteractiveMethod:
    """Answers the scribbles of one sample.

    Between propagations only the mask of the scribbled frame changes, and the next scribbles are requested
    there. `number` counts the interactions; `masks` are the label maps `T x H x W` so far.
    """

    def __init__(self, networks: Networks, sequence: TrackSequence, args: argparse.Namespace) -> None:
        self.segmenter = networks.segmenter
        self.frames: FrameSource = PictureFiles(sequence.frames)
        self.labels = list(sequence.labels)
        self.core = InteractiveCore(
            networks.propagation,
            NormalisedFrames(self.frames),
            self.labels,
            networks.fusion,
            **read_core_options(args),
        )
        self.policy = POLICIES[args.policy]
        self.last = args.interactions
        self.number = 0
        self.masks = np.zeros((len(sequence), *sequence.size), np.uint8)
        self._pending: set[int] = set()  # frames whose masks are not propagated yet

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
            self._pending.add(frame)
        if not self.policy(self.number, self.last):
            return self.masks, list(drawn) or [scribbles["annotated_frame"]]
        if self._pending and self.masks.any():
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
        for frame in sorted(self._pending):
            self.core.give(frame, torch.from_numpy(self.masks[frame].copy()))
        self._pending.clear()
        for _ in self.core.propagate():
            pass  # the masks of all frames are read afterwards
        for frame in range(len(self.masks)):
            self.masks[frame] = self.core.label_map(frame).cpu().numpy()
