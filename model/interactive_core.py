"""The interactive engine: rounds of "masks given -> propagated both ways -> fused" (MiVOS section 3)."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.aggregation import aggregate, most_probable
from model.arguments import Array, check_counts, check_network, frame_tensor, given_objects
from model.array_store import ArrayStore
from model.frame_propagation import FramePropagation
from model.fusion import FusionNetwork, fuse, moved_difference, time_shares
from model.interactive_history import History
from model.interactive_state import Certain, Pass, Remembered, Round, State, Stored, read_states
from model.memory_bank import MemoryBank, ObjectMemory
from model.network import PropagationNetwork, Query
from model.padding import pad, padding_for, unpad
from model.probability_store import DTYPES, ProbabilityStore
from model.query_cache import QueryCache
from util.errors import InputError

log = logging.getLogger(__name__)

STORE_BYTES, QUERY_BYTES = 1 << 30, 1 << 30
UNDO_LEVELS = 20


class InteractiveCore(FramePropagation):
    """Segments a video in rounds: masks are given on some frames, and carried to the others.

    A pass runs from each frame given since the last round, forward and backward, to the nearest given frame
    or to an end of the video. It reads what is certain (the given masks of all frames) and what it remembers
    itself. Between two given frames its results are fused with what was there; elsewhere they replace it.
    Between two frames given in one round, the pass forward replaces, and the one backward is fused with it.
    Given frames never change.

    Frames are decoded when they are needed. Probabilities are stored with 2 bytes a padded pixel and channel
    (1 with "uint8"), what is certain with 2.6 kB per 16 x 16 pixels, object and given frame; beyond
    `store_bytes` in files.

    Args:
        network: as `model.load_network` returns it.
        frames: normalised frames `3 x H x W` of one size.
        labels: of the objects known at the start; more may come with masks.
        fusion: as `model.load_fusion` returns it; without, old and new results are blended by distance.
        top_k: memory positions kept for each query position; None reads all.
        mem_every: a pass remembers a frame for good when this many have passed since the last one.
        max_memory_frames: frames that a pass reads at most, given ones first; None for no limit.
        objects_at_once: see `FramePropagation`.
        append_memory: when a frame is corrected again, remember what was given before as well, as published.
        store: form of the stored probabilities: "uint8", "half" or "float32".
        store_bytes: of arrays held in memory.
        query_bytes: of encoded frames kept for the next pass over them.
        undo_levels: changes that can be undone.
        folder: where all is kept, so that `resume` can go on whatever happens to this process.

    Attributes:
        labels: of the known objects, in the order of the probability channels.

    Raises:
        InputError: an argument cannot be used.
    """

    def __init__(
        self,
        network: PropagationNetwork,
        frames: Sequence[Tensor],
        labels: Iterable[int] = (),
        fusion: FusionNetwork | None = None,
        top_k: int | None = 50,
        mem_every: int = 5,
        *,
        max_memory_frames: int | None = None,
        objects_at_once: int | None = None,
        append_memory: bool = False,
        store: str = "half",
        store_bytes: int = STORE_BYTES,
        query_bytes: int = QUERY_BYTES,
        undo_levels: int = UNDO_LEVELS,
        folder: Path | None = None,
    ) -> None:
        check_network(network)
        check_counts(top_k=top_k, max_memory_frames=max_memory_frames, objects_at_once=objects_at_once)
        check_counts(mem_every=mem_every, undo_levels=undo_levels)
        if store not in DTYPES:
            raise InputError(f"store must be one of {', '.join(DTYPES)}, not {store!r}.")
        if not len(frames):
            raise InputError("there are no frames: give a sequence of at least one.")
        if folder is not None and folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder} is not empty: resume what is in it, or give another folder.")
        super().__init__(network, objects_at_once)
        self.frames = frames
        self.fusion = fusion
        self.options: dict[str, Any] = {
            "top_k": top_k,
            "mem_every": mem_every,
            "max_memory_frames": max_memory_frames,
            "append_memory": append_memory,
            "store": store,
        }
        self.size = (frames[0].shape[-2], frames[0].shape[-1])
        self.padding = padding_for(*self.size)
        left, right, top, bottom = self.padding
        padded = self.size[0] + top + bottom, self.size[1] + left + right
        self.arrays = ArrayStore(store_bytes, folder)
        self.probs = ProbabilityStore(self.arrays, store, padded, self.device)
        self.queries = QueryCache(query_bytes)
        self.history = History(self.arrays, undo_levels, self.options, folder)
        self._bank: MemoryBank | None = None  # of the pass under way
        for label in labels:
            self._learn(label)
        if fusion is None:
            log.info("no fusion network: old and new results are blended by distance.")
        self.history.save()

    @classmethod
    def resume(
        cls,
        folder: Path,
        network: PropagationNetwork,
        frames: Sequence[Tensor],
        fusion: FusionNetwork | None = None,
        **limits: Any,
    ) -> "InteractiveCore":
        """Take up the session of a folder; `propagate` then goes on with a round that was cut off.

        Args:
            folder: given to the engine of the session.
            network: the same.
            frames: the same.
            fusion: the same.
            limits: `objects_at_once`, `store_bytes`, `query_bytes`, `undo_levels`; the other settings are the
                session's.

        Raises:
            InputError: there is no whole session in the folder.
        """
        options, _, _ = read_states(folder)
        core = cls(network, frames, fusion=fusion, **options, **limits)
        core.history.take_up(folder)
        return core

    @property
    def state(self) -> State:
        """What is known, as plain values."""
        return self.history.state

    @property
    def labels(self) -> list[int]:
        """Labels of the known objects."""
        return list(self.state.labels)

    @torch.inference_mode()
    def give(self, index: int, mask: Array, labels: Iterable[int] | None = None) -> None:
        """Take the masks of a frame for right: all of them, objects that they do not show being absent there.

        Args:
            index: of the frame.
            mask: a label map `H x W`, or probabilities `K x H x W`.
            labels: of the probabilities; those known, in their order, by default. New ones are learned.

        Raises:
            InputError: there is no such frame, or the mask cannot be used.
        """
        self._check_index(index)
        if labels is None and getattr(mask, "ndim", 2) == 3:
            labels = self.state.labels
        given, listed = given_objects(mask, labels, self.size)
        if given is None:
            raise InputError("a mask is needed: give a label map of zeros where there is no object.")
        self.history.remember()
        for label in listed:
            self._learn(label)
        given = self.brought(given)
        if given.dim() == 2:
            objects = torch.stack([given == label for label in self.state.labels]).float()
        else:
            objects = given.new_zeros(len(self.state.labels), *self.size)
            for label, prob in zip(listed, given, strict=True):
                objects[self.state.labels.index(label)] = prob
        prob = aggregate(pad(objects, self.padding), hard=given.dim() == 2)
        state = self.state
        before = state.frames.get(index)
        state.pending.setdefault(index, before)
        state.frames[index] = self.probs.put(prob, state.labels)
        if index not in state.given:
            state.given.append(index)
        self._make_certain(index, prob)
        self._end_round(keep_pending=True)
        self.history.save()

    def add(self, label: int) -> None:
        """Add an object; a mask that shows it comes with `give`.

        Raises:
            InputError: there is one of this label.
        """
        if label in self.state.labels:
            raise InputError(f"there is an object {label} already.")
        self.history.remember()
        self._learn(label)
        self.history.save()

    def remove(self, label: int) -> None:
        """Forget an object on all frames; its pixels are background again.

        Raises:
            InputError: there is none of this label.
        """
        if label not in self.state.labels:
            raise InputError(f"there is no object {label} to remove; the known ones are {self.state.labels}.")
        self.history.remember()
        self.state.labels.remove(label)
        self.state.certain = [
            Certain(
                each.frame,
                *({k: v for k, v in numbers.items() if k != label} for numbers in (each.keys, each.values)),
            )
            for each in self.state.certain
        ]
        self._end_round(keep_pending=True)
        self.history.save()

    def undo(self) -> None:
        """Bring back the state before the last change or round, bit for bit.

        Raises:
            InputError: there is nothing to undo.
        """
        self.history.undo()
        self._bank = None

    def prob(self, index: int) -> Tensor:
        """Return the probabilities of a frame, `(K+1) x H x W`: background, then `labels`.

        Raises:
            InputError: there is no such frame.
        """
        self._check_index(index)
        return unpad(self._prob(self.state.frames.get(index)), self.padding)

    def label_map(self, index: int) -> Tensor:
        """Return the labels of a frame, `H x W`, as `model.aggregation.most_probable` does."""
        return most_probable(self.prob(index), [0, *self.state.labels])

    def propagate(
        self,
        first: int = 0,
        last: int | None = None,
        forward: bool = True,
        backward: bool = True,
        sources: Iterable[int] | None = None,
    ) -> Iterator[int]:
        """Carry masks to other frames; yields each frame when it is done.

        What is done stays when the iterator is left early; called again without a new mask in between, it
        goes on with that round, whatever the arguments.

        Args:
            first: results are kept from this frame on.
            last: up to this one; None for the end.
            forward: pass towards the end.
            backward: pass towards the start.
            sources: given frames to go from; those given since the last whole round by default.

        Raises:
            InputError: the range is none, or a source was not given.
        """
        last = len(self.frames) - 1 if last is None else last
        for index in (first, last, *(sources := list(sources or ()))):
            self._check_index(index)
        strange = [index for index in sources if index not in self.state.given]
        if first > last or strange:
            what = f"frame {strange[0]} was not given" if strange else f"there is no range {first} to {last}"
            raise InputError(f"{what}: nothing can be carried.")
        return self._propagate((first, last), forward, backward, sorted(sources or self.state.pending))

    def _propagate(
        self, store: tuple[int, int], forward: bool, backward: bool, sources: list[int]
    ) -> Iterator[int]:
        if self.state.round is None:
            passes = self._passes(store, forward, backward, sources)
            if not passes:
                return
            self.history.remember()
            self.state.round = Round(passes, store, sources)
            self.history.save()
        while (current := self.state.round) is not None:
            if current.passes:
                yield from self._pass(current)
            if self.state.round is not current:  # something else was done while the iterator waited
                return
            if not current.passes:
                self._end_round(keep_pending=False)
                self.history.save()

    def _passes(
        self, store: tuple[int, int], forward: bool, backward: bool, sources: list[int]
    ) -> list[Pass]:
        """Return what a round has to do: all passes forward, then all backward."""
        state, passes = self.state, []
        for step in [step for step, wanted in ((1, forward), (-1, backward)) if wanted]:
            for source in sources:
                beyond = [frame for frame in state.given if (frame - source) * step > 0]
                bound = min(beyond, key=lambda frame: abs(frame - source), default=None)
                end = len(self.frames) if step > 0 else -1
                stop = end if bound is None else bound
                stop = min(stop, store[1] + 1) if step > 0 else max(stop, store[0] - 1)
                if (stop - source) * step <= 1:  # nothing lies between
                    continue
                # between two frames that are new, what was there is older than both
                fuse_with = bound is not None and not (bound in sources and step > 0 and backward)
                passes.append(Pass(source, step, stop, bound, fuse_with, state.pending.get(source)))
        return passes

    def _pass(self, current: Round) -> Iterator[int]:
        """Do the first pass of a round, or the rest of it."""
        this, labels = current.passes[0], self._active()
        index = this.source + this.step if current.next is None else current.next
        bank = self._bank = self._bank or self._bank_of(labels, current.memory)
        while index != this.stop:
            kept = current.store[0] <= index <= current.store[1]
            prob, memory = self._step(this, index, labels, bank, current.memory, kept)
            if kept:
                self.state.frames[index] = self.probs.put(prob, labels)
            current.memory = memory
            index += this.step
            current.next = index
            if index == this.stop:
                current.passes.pop(0)
                current.next, current.memory, self._bank = None, [], None
            self.history.save()
            if kept:
                yield index - this.step
            if self.state.round is not current:
                return

    @torch.inference_mode()
    def _step(
        self,
        this: Pass,
        index: int,
        labels: list[int],
        bank: MemoryBank,
        memory: list[Remembered],
        kept: bool,
    ) -> tuple[Tensor, list[Remembered]]:
        """Segment a frame of a pass; return its probabilities `(K+1) x H x W` and what is remembered then."""
        image = self._image(index)
        query = self._query(index, image)
        count = len(labels)
        new = self.in_available_memory(lambda: self.segment(bank, query, count), index, count)
        if count and index + this.step != this.stop:
            keys, values = self.in_available_memory(lambda: self.encode(image, new[1:]), index, count)
            permanent_ones = [each for each in memory if each.permanent]
            since = permanent_ones[-1].frame if permanent_ones else this.source
            permanent = abs(index - since) >= self.options["mem_every"]
            bank.write(keys, values, index, permanent)
            if (
                self.history.folder is None
            ):  # nothing to resume from, so what a pass remembers needs no numbers
                remembered = Remembered(index, -1, -1, permanent)
            else:
                remembered = Remembered(index, self._put(keys), self._put(values), permanent)
            memory = [*permanent_ones, remembered]
        old = self.state.frames.get(index)
        if kept and this.fuse and this.bound is not None and old is not None:
            new = self._fused(this, this.bound, index, labels, image, query, self.probs.get(old, labels), new)
        return new, memory

    def _fused(
        self,
        this: Pass,
        bound: int,
        index: int,
        labels: list[int],
        image: Tensor,
        query: Query,
        old: Tensor,
        new: Tensor,
    ) -> Tensor:
        """Join old and new probabilities `(K+1) x H x W` of a frame between two given ones."""
        shares = time_shares(index, this.source, bound)
        if self.fusion is None:
            return torch.lerp(old, new, shares[0])
        given = self.probs.get(self.state.frames[this.source], labels)
        difference = (given - self.probs.get(this.before, labels))[1:]
        certain = next(each for each in reversed(self.state.certain) if each.frame == this.source)
        keys = torch.stack([self.probs.tensor(certain.keys[label]) for label in labels])
        attention = moved_difference(difference, keys, query.key.float(), query.grid)
        logits = fuse(self.fusion, image[0], old[1:], new[1:], attention, shares)
        return aggregate(logits.sigmoid())

    def _bank_of(self, labels: list[int], remembered: Sequence[Remembered]) -> MemoryBank:
        """Return a bank of what is certain of some objects, and of what a pass remembers."""
        bank = MemoryBank(self.options["top_k"], None, self.options["max_memory_frames"])
        for label in labels:
            memory = ObjectMemory(bank.max_frames)
            for each in self.state.certain:
                if label in each.keys:
                    key, value = self.probs.tensor(each.keys[label]), self.probs.tensor(each.values[label])
                    memory.write(key, value, each.frame, permanent=True, given=True)
            bank.objects.append(memory)
        for one in remembered:
            bank.write(self.probs.tensor(one.keys), self.probs.tensor(one.values), one.frame, one.permanent)
        return bank

    def _make_certain(self, index: int, prob: Tensor) -> None:
        """Remember a given frame with its probabilities `(K+1) x H x W` for all passes to come."""
        labels, active = self.state.labels, set(self._active())
        shown = [k for k, label in enumerate(labels) if label in active or (prob[k + 1] > 0.5).any()]
        if not self.options["append_memory"]:
            self.state.certain = [each for each in self.state.certain if each.frame != index]
        if not shown:
            return
        image = self._image(index)
        keys, values = self.in_available_memory(
            lambda: self.encode(image, prob[[k + 1 for k in shown]]), index, len(shown)
        )
        numbers = [
            {labels[k]: self._put(row) for k, row in zip(shown, rows, strict=True)} for rows in (keys, values)
        ]
        self.state.certain.append(Certain(index, *numbers))

    def _active(self) -> list[int]:
        """Return the labels of the objects that some given mask has shown."""
        certain = self.state.certain
        return [label for label in self.state.labels if any(label in each.keys for each in certain)]

    def _image(self, index: int) -> Tensor:
        """Return a frame as the network takes it, `1 x 3 x H x W`, padded."""
        frame = frame_tensor(self.frames[index])
        if tuple(frame.shape[-2:]) != self.size:
            raise InputError(
                f"frame {index} is {frame.shape[-1]} x {frame.shape[-2]}, the first one {self.size[1]} x "
                f"{self.size[0]}: bring all to one size."
            )
        image = pad(self.brought(frame).unsqueeze(0), self.padding)
        return image.contiguous(memory_format=torch.channels_last)

    def _query(self, index: int, image: Tensor) -> Query:
        """Return the encoding of a frame `1 x 3 x H x W`, from the cache where it is."""
        return self.queries.get(index, lambda: self.network.encode_query(image))

    def _prob(self, stored: Stored | None) -> Tensor:
        """Return padded probabilities `(K+1) x H x W` of the background and all objects."""
        return self.probs.get(stored, self.state.labels)

    def _put(self, tensor: Tensor) -> int:
        return self.arrays.put(tensor.cpu().numpy())

    def _learn(self, label: int) -> None:
        check_counts(label=label)
        if label not in self.state.labels:
            self.state.labels.append(int(label))

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self.frames):
            raise InputError(f"there is no frame {index}: they go from 0 to {len(self.frames) - 1}.")

    def _end_round(self, keep_pending: bool) -> None:
        """Leave the round under way, if there is one."""
        if self.state.round is not None and not keep_pending:
            for source in self.state.round.sources:
                self.state.pending.pop(source, None)
        self.state.round = self._bank = None
