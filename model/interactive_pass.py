"""One pass of the interactive engine, under way."""

from functools import cached_property

import torch
from torch import Tensor

from model.interactive.fusion import time_shares
from model.interactive_frames import InteractiveFrames
from model.interactive_state import Remembered, Round, State
from model.network import Query


class RunningPass:
    """Does the first pass of a round frame by frame (MiVOS section 3; what it reads: `InteractiveCore`).

    A frame that fails leaves everything as it was, so that it can be tried again.

    Args:
        frames: computes.
        state: of the session; results are recorded in it.
        current: its round; what the pass remembers is recorded in it.
        save_memory: store what the pass remembers, so that another process can go on with it.
    """

    def __init__(self, frames: InteractiveFrames, state: State, current: Round, save_memory: bool) -> None:
        self.frames = frames
        self.state = state
        self.round = current
        self.save_memory = save_memory
        self.this = current.passes[0]
        self.labels = state.shown()
        self.bank = frames.bank_of(state, self.labels, current.memory)

    @torch.inference_mode()
    def do(self, index: int) -> bool:
        """Segment a frame; return whether its result is one that is kept."""
        frames, labels = self.frames, self.labels
        count = len(labels)
        first, last = self.round.kept
        kept = first <= index <= last
        image = frames.image(index)

        def results() -> tuple[Tensor, Tensor]:
            query = frames.query(index, image)
            new = frames.segment(self.bank, query, count)
            return new, self._fused(index, image, query, new) if kept else new

        new, result = frames.in_available_memory(results, index, count)
        stored = frames.probs.put(result, labels) if kept else None
        if count and index + self.this.step != self.this.stop:
            self._remember(index, image, new[1:])
        if stored is not None:
            self.state.frames[index] = stored
        self.round.next = index + self.this.step
        return kept

    def _fused(self, index: int, image: Tensor, query: Query, new: Tensor) -> Tensor:
        """Return what a frame is to have, `(K+1) x H x W`, where the pass made `new` of it."""
        this, stored = self.this, self.state.frames.get(index)
        if this.bound is None or not this.fuse or stored is None or not self.labels:
            return new
        old = self.frames.probs.get(stored, self.labels)
        shares = time_shares(index, this.source, this.bound)
        if self.frames.fusion is None:
            return torch.lerp(old, new, shares[0])
        return self.frames.fused(self.frames.fusion, image, query, old, new, *self._correction, shares)

    @cached_property
    def _correction(self) -> tuple[Tensor, Tensor]:
        """What was changed on the pass's source, `K x H x W`, and its memory keys `K x (h*w) x 128`."""
        frames, source, labels = self.frames, self.this.source, self.labels
        prob = frames.probs.get(self.state.frames[source], labels)[1:]
        difference = prob - frames.probs.get(self.this.before, labels)[1:]
        keys = next(each for each in reversed(self.state.certain) if each.frame == source).keys
        if not all(label in keys for label in labels):  # some became known after it was given
            image, count = frames.image(source), len(labels)
            return difference, frames.in_available_memory(lambda: frames.encode(image, prob), source, count)[
                0
            ]
        return difference, torch.stack([frames.probs.tensor(keys[label]) for label in labels])

    def _remember(self, index: int, image: Tensor, objects: Tensor) -> None:
        """Remember a frame `1 x 3 x H x W` with its objects `K x H x W`, in place of a temporary one."""
        frames = self.frames
        kept = [each for each in self.round.memory if each.permanent]
        since = kept[-1].frame if kept else self.this.source
        permanent = abs(index - since) >= frames.options["mem_every"]
        if not permanent and not frames.options["remember_previous"]:
            return
        keys, values = frames.in_available_memory(lambda: frames.encode(image, objects), index, len(objects))
        numbers = (frames.put(keys), frames.put(values)) if self.save_memory else (-1, -1)
        self.bank.write(keys, values, index, permanent)
        self.round.memory = [*kept, Remembered(index, *numbers, permanent)]
