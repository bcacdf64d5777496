"""Propagation in the computing process: fills the gaps between drawn frames."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import normalise
from dataset.video import working_size
from dataset.video_checks import read_first_frame
from dataset.video_files.video_file import MissingFrameError
from model import FusionNetwork, InferenceCore, InteractiveCore, PropagationNetwork, load_fusion, load_network
from model.aggregation import most_probable
from scripts.annotator.gaps import Gap
from scripts.annotator.pictures import Pictures
from scripts.annotator.settings import WorkerSettings
from scripts.evaluation.flags import ANY_VIDEO_MEMORY_FRAMES

FUSION_FILE = "fusion.pth"
QUERY_BYTES = 1 << 28  # of encoded frames, kept for the next pass
NEAREST = 6  # drawn frames in the memory at the start of a pass
LEVELS = 255  # quantisation of a pass's probabilities until they are fused

Given = Mapping[int, tuple[NDArray[np.uint8], Sequence[int]]]  # by frame: label map, annotated labels


class WorkingFrames(Sequence[Tensor]):
    """The frames of a video in the network's size, decoded when asked for.

    Args:
        pictures: the video.
        short_side: shorter side to which larger frames are resized.

    Attributes:
        missing: frames that cannot be decoded; the nearest frame before replaces them.
    """

    def __init__(self, pictures: Pictures, short_side: int) -> None:
        self.pictures = pictures
        self.missing: set[int] = set()
        larger = min(pictures.size) > short_side
        self.size = working_size(pictures.size, short_side) if larger else pictures.size

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: Any) -> Any:
        """Return a frame, `3 x h x w`, normalised."""
        image = normalise(self._picture(index))
        if self.size == self.pictures.size:
            return image
        return F.interpolate(image[None], self.size, mode="bicubic", align_corners=False, antialias=True)[0]

    def _picture(self, index: int) -> NDArray[np.uint8]:
        for each in range(index, -1, -1):
            with suppress(MissingFrameError):
                return self.pictures.read(each)
            self.missing.add(each)
        return read_first_frame(self.pictures.source)

    def reduced(self, labels: NDArray[np.uint8]) -> Tensor:
        """Resize a label map `H x W` to the size of the frames, `h x w`."""
        mask = torch.from_numpy(labels.copy())
        return F.interpolate(mask[None, None], self.size, mode="nearest")[0, 0]


class Rounds:
    """Answers requests to propagate."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.pictures = Pictures(settings.video)
        self.frames = WorkingFrames(self.pictures, settings.size)
        self.options: dict[str, Any] = {"max_memory_frames": ANY_VIDEO_MEMORY_FRAMES}  # of the engines
        how = settings.computing(self.frames.size)
        self._load_fusion = lru_cache(1)(lambda path: load_fusion(path, *how))
        # by path and time of the last change: a file that has changed is read again
        self._load_network = lru_cache(1)(lambda path, changed: load_network(path, *how))

    def run(
        self, request: Mapping[str, Any], is_stopped: Callable[[], bool]
    ) -> Iterator[tuple[str, int, NDArray[np.uint8] | None]]:
        """Fill gaps; yield ("frame", number, labels `H x W`) when known, and ("step", number, None).

        Forward and backward masks are fused by the fusion network if its weights exist, else by distance. A
        frame that a damaged video file lacks gets an empty mask.

        Args:
            request: "weights", "remember_previous" (see `InferenceCore`), "gaps", "given" and "labels".
            is_stopped: called after every frame; tells whether to end.
        """
        weights: Path = request["weights"]
        network = self._load_network(weights, weights.stat().st_mtime_ns)
        self.options["remember_previous"] = request["remember_previous"]
        given, labels = request["given"], request["labels"]
        for gap in request["gaps"]:
            with tempfile.TemporaryFile(dir=self.settings.temporary) as probs_file:
                filled = (
                    self._filled(network, gap, given, labels)
                    if gap.is_whole
                    else self._filled_by_object(network, gap, given, labels, probs_file)
                )
                for frame, mask in filled:
                    if mask is not None and frame in self.frames.missing:
                        mask = np.zeros_like(mask)
                    yield "step" if mask is None else "frame", frame, mask
                    if is_stopped():
                        return

    def _filled(
        self, network: PropagationNetwork, gap: Gap, given: Given, labels: Sequence[int]
    ) -> Iterator[tuple[int, NDArray[np.uint8] | None]]:
        """Fill a gap whose ends are annotated for all objects; the labels are None before the last pass."""
        options = {"store": "uint8", "query_bytes": QUERY_BYTES, **self.options}
        core = InteractiveCore(network, self.frames, labels, self._fusion(), **options)
        sources = [passed[0] for passed in (gap.forward, gap.backward) if passed]
        whole = [frame for frame, (_, about) in given.items() if {*labels} <= {*about}]
        near = sorted(whole, key=lambda frame: (min(abs(frame - source) for source in sources), frame))
        for frame in near[:NEAREST]:
            core.give(frame, self.frames.reduced(given[frame][0]))
        waiting = {*gap.frames} if len(sources) == 2 else set()
        for frame in core.propagate(gap.frames[0], gap.frames[-1], bool(gap.forward), bool(gap.backward)):
            if frame in waiting:
                waiting.remove(frame)
                yield frame, None
            else:
                yield frame, self._labels(core.prob(frame).cpu(), core.labels)

    def _filled_by_object(
        self, network: PropagationNetwork, gap: Gap, given: Given, labels: Sequence[int], probs_file: Any
    ) -> Iterator[tuple[int, NDArray[np.uint8] | None]]:
        """Fill a gap with partly annotated frames; `probs_file` stores the first of two passes.

        The labels are None before the last pass.
        """
        both = gap.forward and gap.backward
        shape = (len(gap.frames), len(labels) + 1, *self.frames.size)
        kept = np.memmap(probs_file, np.uint8, "w+", shape=shape) if both else None
        for frame, prob in self._carried(network, gap.forward, given, labels):
            if frame not in gap.frames or any(gap.shares[frame]):  # the backward pass is missing
                if kept is not None and frame in gap.frames:
                    kept[frame - gap.frames.start] = (prob * LEVELS).round().to(torch.uint8).numpy()
                yield frame, None
            else:
                yield frame, self._labels(prob, labels)
        for frame, prob in self._carried(network, gap.backward, given, labels):
            if frame not in gap.frames or not any(gap.shares[frame]):
                yield frame, None
                continue
            if kept is not None:
                share = channel_shares(gap.shares[frame])
                prob = share * prob + (1 - share) * torch.from_numpy(kept[frame - gap.frames.start]) / LEVELS
            yield frame, self._labels(prob, labels)

    def _carried(
        self, network: PropagationNetwork, frames: range, given: Given, labels: Sequence[int]
    ) -> Iterator[tuple[int, Tensor]]:
        """Propagate through frames from a drawn one; yield probabilities `(K+1) x h x w`.

        The memory starts with the nearest drawn frames; those on the way are added.
        """
        if not frames:
            return
        engine = InferenceCore(network, **self.options)
        nearest = sorted(given, key=lambda frame: (abs(frame - frames[0]), frame))[:NEAREST]
        for frame in reversed(nearest):  # the one it starts from comes last
            self._step(engine, frame, given)
        for frame in frames[1:]:
            prob = self._step(engine, frame, given, last=frame == frames[-1]).float().cpu()
            ordered = prob.new_zeros(len(labels) + 1, *prob.shape[1:])
            for channel, label in enumerate([0, *engine.labels]):
                ordered[[0, *labels].index(label)] = prob[channel]
            yield frame, ordered

    def _step(self, engine: InferenceCore, frame: int, given: Given, last: bool = False) -> Tensor:
        mask, about = given.get(frame, (None, []))
        reduced = None if mask is None else self.frames.reduced(mask)
        return engine.step(self.frames[frame], reduced, None if mask is None else about, last)

    def _labels(self, prob: Tensor, labels: Sequence[int]) -> NDArray[np.uint8]:
        """Return the label map at the video's size of probabilities `(K+1) x h x w`."""
        return most_probable(prob, [0, *labels], self.pictures.size).numpy()

    def _fusion(self) -> FusionNetwork | None:
        """Load the fusion network, once, if it is there."""
        path = self.settings.models / FUSION_FILE
        return self._load_fusion(path) if path.is_file() else None


def channel_shares(shares: Sequence[float | None]) -> Tensor:
    """Return the weight of the backward pass by channel, `(K+1) x 1 x 1`; background has the mean.

    Args:
        shares: weights of the K objects; None for an object that is not propagated.
    """
    known = [share for share in shares if share is not None]
    return torch.tensor([sum(known) / len(known), *(share or 0.0 for share in shares)])[:, None, None]
