"""The interactive engine: rounds of "masks given -> propagated both ways -> fused" (MiVOS section 3)."""

import logging
import operator
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.aggregation import aggregate, most_probable
from model.arguments import (
    Array,
    check_counts,
    check_fusion,
    check_needed,
    check_network,
    given_objects,
    label_list,
)
from model.array_store import ArrayStore
from model.interactive.fusion import FusionNetwork
from model.interactive_frames import InteractiveFrames
from model.interactive_history import History
from model.interactive_rounds import Rounds
from model.interactive_state import State, check_new, read_states
from model.network import PropagationNetwork
from model.padding import pad, unpad
from model.probability_store import DTYPES
from util.errors import InputError

log = logging.getLogger(__name__)

STORE_BYTES, QUERY_BYTES = 1 << 30, 1 << 30
UNDO_LEVELS = 20


class InteractiveCore:
    """Segments a video in rounds: masks are given on some frames, and carried to the others.

    A pass runs from each frame given since the last round, forward and backward, to the nearest given frame
    or to an end of the video. It reads what is certain (the given masks of all frames), each `mem_every`-th
    of its own frames and, with `remember_previous`, its last one. Between two given frames its results are
    fused with what was there; elsewhere they replace it. Between two frames given in one round, the pass
    forward replaces, and the one backward is fused with it. Given frames never change.

    What is stored, for a frame of K objects and P pixels (padded to multiples of 16): its probabilities,
    `2 * (K+1) * P` bytes ("uint8": 1, "float32": 4 in place of 2); where masks were given on it, also
    `10 * K * P` bytes of memory. Beyond `store_bytes` they lie in files. What is only kept for speed: its
    encoding, `114 * P` bytes in float32, within `query_bytes`. A pass holds `10 * K * P` bytes for each frame
    that it reads, `max_memory_frames` and one at most.

    Args:
        network: as `model.load_network` returns it.
        frames: normalised frames `3 x H x W` of one size, decoded when they are asked for.
        labels: of the objects known at the start; more may come with masks.
        fusion: as `model.load_fusion` returns it; without, old and new results are blended by distance.
        top_k: memory positions kept for each query position; None reads all.
        mem_every: a pass remembers a frame for good when this many have passed since the last one.
        max_memory_frames: frames that a pass reads at most, given ones first; None for no limit.
        remember_previous: see `InferenceCore`.
        objects_at_once: see `FramePropagation`.
        append_memory: when a frame is corrected again, remember what was given before as well, as published.
        store: form of the stored probabilities: "uint8", "half" or "float32".
        store_bytes: of arrays held in memory.
        query_bytes: of encoded frames kept for the next pass over them, on the network's device.
        undo_levels: changes that can be undone.
        folder: where all is kept, so that `resume` can go on whatever happens to this process; for one engine
            at a time (`util.lock` keeps others out).

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
        remember_previous: bool = True,
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
        check_needed(mem_every=mem_every, undo_levels=undo_levels)
        check_needed(store_bytes=store_bytes, query_bytes=query_bytes)
        check_fusion(fusion)
        if store not in DTYPES:
            raise InputError(f"store must be one of {', '.join(DTYPES)}, not {store!r}.")
        if not len(frames):
            raise InputError("there are no frames: give a sequence of at least one.")
        if folder is not None:
            check_new(folder)
        options = {
            "top_k": top_k,
            "mem_every": mem_every,
            "max_memory_frames": max_memory_frames,
            "remember_previous": remember_previous,
            "append_memory": append_memory,
            "store": store,
        }
        self.arrays = ArrayStore(store_bytes, folder)
        self.frames = frames
        self.engine = InteractiveFrames(
            network, frames, fusion, self.arrays, options, query_bytes, objects_at_once
        )
        settings = {"options": options, "frames": len(frames), "size": list(self.engine.size)}
        self.history = History(self.arrays, undo_levels, settings, folder)
        self.state.labels += label_list(labels)
        self.rounds = Rounds(self.engine, self.history)
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
            InputError: there is no whole session in the folder, or it is of another video.
        """
        settings = read_states(folder)[0]
        core = cls(network, frames, fusion=fusion, **settings["options"], **limits)
        if any(settings[name] != core.history.settings[name] for name in ("frames", "size")):
            height, width = settings["size"]
            raise InputError(
                f"the session in {folder} is of {settings['frames']} frames of {width} x {height}: "
                "give these."
            )
        core.history.take_up(folder)
        return core

    @property
    def state(self) -> State:
        """What is known, as plain values."""
        return self.history.state

    @property
    def labels(self) -> list[int]:
        """Labels of the known objects, in the order of the probability channels."""
        return list(self.state.labels)

    @torch.inference_mode()
    def give(self, index: int, mask: Array, labels: Iterable[int] | None = None) -> None:
        """Take the masks of a frame for right: all of them, objects that they do not show being absent there.

        Args:
            index: of the frame.
            mask: a label map `H x W`, or probabilities `K x H x W`.
            labels: of the probabilities; those known, in their order, by default. New ones are learned.

        Raises:
            InputError: there is no such frame, or it or the mask cannot be used; nothing has changed.
        """
        index = self._index(index)
        if labels is None and getattr(mask, "ndim", 2) == 3:
            labels = self.labels
        given, listed = given_objects(mask, labels, self.engine.size)
        if given is None:
            raise InputError("a mask is needed: give a label map of zeros where there is no object.")
        all_labels = self.labels + [label for label in listed if label not in self.state.labels]
        given = self.engine.brought(given)
        objects = torch.zeros(len(all_labels), *self.engine.size, device=given.device)
        for label in all_labels if given.dim() == 2 else listed:
            objects[all_labels.index(label)] = (
                given == label if given.dim() == 2 else given[listed.index(label)]
            )
        prob = aggregate(pad(objects, self.engine.padding), hard=given.dim() == 2)
        certain = self.engine.certain(index, prob, all_labels, self.state.shown())
        stored = self.engine.probs.put(prob, all_labels)

        self.history.remember()
        state = self.state
        state.labels = all_labels
        state.pending.setdefault(index, state.frames.get(index))
        state.frames[index] = stored
        if index not in state.given:
            state.given.append(index)
        if not self.engine.options["append_memory"]:
            state.certain = [each for each in state.certain if each.frame != index]
        state.certain.append(certain)
        self.rounds.give_up()
        self.history.save()

    def add(self, label: int) -> None:
        """Add an object; a mask that shows it comes with `give`.

        Raises:
            InputError: there is one of this label, or it is none.
        """
        (label,) = label_list([label])
        if label in self.state.labels:
            raise InputError(f"there is an object {label} already.")
        self.history.remember()
        self.state.labels.append(label)
        self.rounds.give_up()
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
        self.state.certain = [each.without(label) for each in self.state.certain]
        self.rounds.give_up()
        self.history.save()

    def undo(self) -> None:
        """Bring back the state before the last change or round, bit for bit.

        Raises:
            InputError: there is nothing to undo.
        """
        self.history.undo()
        self.rounds.give_up()

    @torch.inference_mode()
    def prob(self, index: int) -> Tensor:
        """Return the probabilities of a frame, `(K+1) x H x W`: background, then `labels`.

        Raises:
            InputError: there is no such frame.
        """
        stored = self.state.frames.get(self._index(index))
        return unpad(self.engine.probs.get(stored, self.state.labels), self.engine.padding)

    def label_map(self, index: int) -> Tensor:
        """Return the labels of a frame, `H x W`, as `model.aggregation.most_probable` does."""
        return most_probable(self.prob(index), [0, *self.state.labels])

    def propagate(
        self,
        first: int | None = None,
        last: int | None = None,
        forward: bool = True,
        backward: bool = True,
        sources: Iterable[int] | None = None,
    ) -> Iterator[int]:
        """Carry masks to other frames; yields each frame when it is done.

        What is done stays when the iterator is left early. Called again without any argument, it goes on with
        that round; with arguments, or after another change, that round is given up and a new one begins.

        Args:
            first: results are kept from this frame on; None for the start.
            last: up to this one; None for the end.
            forward: pass towards the end.
            backward: pass towards the start.
            sources: given frames to go from; those given since the last whole round by default.

        Raises:
            InputError: the range is none, or a source was not given.
        """
        whole_video = 0, len(self.frames) - 1
        kept = (
            whole_video[0] if first is None else self._index(first),
            whole_video[1] if last is None else self._index(last),
        )
        chosen = sorted(self.state.pending if sources is None else {self._index(index) for index in sources})
        strange = [index for index in chosen if index not in self.state.given]
        if kept[0] > kept[1]:
            raise InputError(f"there is no range of frames from {kept[0]} to {kept[1]}: nothing can be kept.")
        if strange:
            raise InputError(f"frame {strange[0]} was not given: masks are carried from given frames.")
        steps = [step for step, wanted in ((1, forward), (-1, backward)) if wanted]
        is_plain = kept == whole_video and sources is None and len(steps) == 2
        return self.rounds.run(chosen, kept, steps, goes_on=is_plain)

    def _index(self, index: int) -> int:
        """Return the number of a frame; raise InputError when there is none."""
        try:
            number = operator.index(index)
        except TypeError as error:
            raise InputError(f"a frame has a whole number, not {index!r}.") from error
        if not 0 <= number < len(self.frames):
            raise InputError(f"there is no frame {number}: they go from 0 to {len(self.frames) - 1}.")
        return number
