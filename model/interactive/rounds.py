"""A round of an interactive session: passes from given frames to the nearest other given frames."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from model.aggregation import aggregate
from model.frame_propagation import fitting_into_memory
from model.interactive.fusion import FusionNetwork, fuse, time_shares, transfer_difference
from model.interactive.store import EncodedVideo, ProbabilityStore, State
from model.memory_bank import MemoryBank
from model.network import Query


class Pass(NamedTuple):
    """A pass over a range of frames."""

    source: int  # given frame that the pass starts from
    step: int  # 1 forward, -1 backward
    stop: int  # frame before which the pass ends
    bound: int | None  # given frame at its end; None at an end of the video
    fuse: bool  # whether to fuse results with the old ones, instead of replacing them


def plan_passes(
    state: State, sources: Sequence[int], kept: tuple[int, int], count: int, steps: Collection[int]
) -> list[Pass]:
    """Return the passes of a round: all forward passes, then all backward passes.

    When both ends of a range are sources, the forward pass replaces the old results, which are older than
    both masks, and the backward pass is fused with it.

    Args:
        state: state of the session.
        sources: given frames to propagate from.
        kept: first and last frame whose results are kept.
        count: number of frames of the video.
        steps: 1 for forward, -1 for backward, or both.
    """
    passes = []
    for step in sorted(steps, reverse=True):
        for source in sources:
            beyond = [frame for frame in state.given if (frame - source) * step > 0]
            bound = min(beyond, key=lambda frame: abs(frame - source), default=None)
            end = count if step > 0 else -1
            stop = end if bound is None else bound
            stop = min(stop, kept[1] + 1) if step > 0 else max(stop, kept[0] - 1)
            nearest = max(source + 1, kept[0]) if step > 0 else min(source - 1, kept[1])
            if (stop - nearest) * step <= 0:  # no frame is kept
                continue
            is_first_of_two = bound in sources and step > 0 and -1 in steps
            fuse = bound is not None and not is_first_of_two
            passes.append(Pass(source, step, stop, bound, fuse))
    return passes


@dataclass(eq=False)
class RunningPass:
    """A pass in progress (MiVOS section 3)."""

    this: Pass
    video: EncodedVideo
    state: State  # state of the session; it gets the results
    store: ProbabilityStore
    bank: MemoryBank  # permanent memory of the objects in `state.shown()`, and frames of the pass
    fusion: FusionNetwork | None  # the fusion network; None weights old and new results by distance
    mem_every: int  # number of frames from one frame that the pass remembers to the next
    remember_previous: bool  # whether the pass reads its previous frame

    def __post_init__(self) -> None:
        self.propagation = self.video.propagation
        self.labels = self.state.shown()
        self.last_permanent = self.this.source
        self._correction: tuple[Tensor, Tensor] | None = None

    @torch.inference_mode()
    def segment(self, index: int, is_kept: bool) -> None:
        """Segment the next frame, and store its result if it is kept."""
        labels = self.labels
        image = self.video.image(index)
        with fitting_into_memory(index):
            query = self.video.query(index, image)
            new = self.propagation.segment(self.bank, query, len(labels))
            stored = self.store.put(self._fused(index, image, query, new), labels) if is_kept else None
            if labels and index + self.this.step != self.this.stop:
                self._remember(index, image, new[1:])
        if stored is not None:
            self.state.frames[index] = stored

    def _remember(self, index: int, image: Tensor, objects: Tensor) -> None:
        """Remember a frame `1 x 3 x H x W` with its objects `K x H x W`; it replaces the temporary frame."""
        permanent = abs(index - self.last_permanent) >= self.mem_every
        if permanent or self.remember_previous:
            self.bank.write(*self.propagation.encode(image, objects), index, permanent)
        if permanent:
            self.last_permanent = index

    def _fused(self, index: int, image: Tensor, query: Query, new: Tensor) -> Tensor:
        """Return the fusion of a frame's old and `new` probabilities, `(K+1) x H x W`."""
        this, stored = self.this, self.state.frames.get(index)
        if this.bound is None or not this.fuse or stored is None or not self.labels:
            return new
        old = self.store.get(stored, self.labels)
        shares = time_shares(index, this.source, this.bound)
        network = self.fusion
        if network is None:
            return torch.lerp(old, new, shares[0])
        if self._correction is None:
            self._correction = self._corrected()
        difference, keys = self._correction
        query_key = query.key.float()
        logits = []
        for part in self.propagation.parts(len(keys), old[0].numel()):
            attention = transfer_difference(difference[part], keys[part], query_key, query.grid)
            logits.append(fuse(network, image[0], old[1:][part], new[1:][part], attention, shares))
        return aggregate(torch.cat(logits).sigmoid_())

    def _corrected(self) -> tuple[Tensor, Tensor]:
        """Return the difference made on the pass's source, `K x H x W`, and its keys `K x (h*w) x 128`."""
        state, source, labels = self.state, self.this.source, self.labels
        prob = self.store.get(state.frames[source], labels)[1:]
        difference = prob - self.store.get(state.pending[source], labels)[1:]
        rows = next(each for each in reversed(state.memory) if each.frame == source).rows
        if not all(label in rows for label in labels):  # some objects are newer than its memory
            return difference, self.propagation.encode(self.video.image(source), prob)[0]
        return difference, torch.stack([rows[label][0] for label in labels]).to(difference.device)
