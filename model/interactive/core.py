"""The interactive engine: propagates and fuses a user's masks in rounds (MiVOS section 3)."""

import logging
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from model.aggregation import aggregate, most_probable
from model.arguments import Array, check_counts, given_objects, label_list
from model.frame_propagation import FramePropagation, fitting_into_memory
from model.interactive.fusion import FusionNetwork
from model.interactive.rounds import Pass, RunningPass, plan_passes
from model.interactive.store import DTYPES, EncodedVideo, Given, ProbabilityStore, State
from model.memory_bank import MemoryBank, ObjectMemory
from model.network import PropagationNetwork
from model.padding import pad, unpad
from util.errors import InputError

log = logging.getLogger(__name__)

STORE_BYTES, QUERY_BYTES = 1 << 30, 1 << 30


class InteractiveCore:
    """Segments a video in rounds: masks are given on some frames, and propagated to the others.

    A pass runs from each frame given since the last round, forward and backward, to the nearest given frame
    or to an end of the video. It reads the permanent memory (frames whose masks were given), every
    `mem_every`-th frame of the pass and, with `remember_previous`, the previous frame. Between two given
    frames, its results are fused with the old ones; elsewhere they replace them. Between two frames given in
    one round, the forward pass replaces and the backward pass is fused with it. Given frames never change.

    A frame of K objects and P pixels takes `2 * (K+1) * P` bytes of probabilities; `114 * P` bytes in the
    cache of encoded frames; and `10 * K * P` bytes in the memory of a pass, or if its masks were given.

    Args:
        network: the propagation network from `model.load_network`.
        frames: normalised frames `3 x H x W` of one size; a sequence that decodes on demand.
        labels: labels of the objects known at the start; masks may add more.
        fusion: the fusion network from `model.load_fusion`; None weights old and new results by distance.
        top_k: number of memory positions read per query position; None reads all.
        mem_every: number of frames from one frame that a pass remembers to the next.
        max_memory_frames: limit of frames that a pass reads, given ones first; None for no limit.
        remember_previous: see `InferenceCore`.
        objects_at_once: see `FramePropagation`.
        append_memory: whether a frame that is corrected again keeps its old memory too, as published.
        store: dtype of the stored probabilities: "uint8", "half" or "float32".
        store_bytes: limit of stored probabilities in memory.
        query_bytes: limit of the cache of encoded frames, on the network's device.

    Raises:
        InputError: an argument is not valid.
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
    ) -> None:
        check_counts(top_k=top_k, max_memory_frames=max_memory_frames, objects_at_once=objects_at_once)
        check_counts(mem_every=mem_every, store_bytes=store_bytes, query_bytes=query_bytes)
        if store not in DTYPES:
            raise InputError(f"store must be one of {', '.join(DTYPES)}, not {store!r}.")
        if not len(frames):
            raise InputError("there are no frames: give a sequence of at least one.")
        self.network = network
        self.frames = frames
        self.fusion = fusion
        self.top_k = top_k
        self.mem_every = mem_every
        self.max_memory_frames = max_memory_frames
        self.remember_previous = remember_previous
        self.append_memory = append_memory
        self.propagation = FramePropagation(network, objects_at_once)
        self.video = EncodedVideo(frames, self.propagation, query_bytes)
        (height, width), (left, right, top, bottom) = self.video.size, self.video.padding
        padded = height + top + bottom, width + left + right
        self.store = ProbabilityStore(store, store_bytes, padded, self.propagation.device)
        self.state = State(label_list(labels))
        if fusion is None:
            log.info("no fusion network: old and new results are weighted by distance.")

    @property
    def labels(self) -> list[int]:
        """Labels of the known objects, in the order of the probability channels."""
        return list(self.state.labels)

    @torch.inference_mode()
    def give(self, index: int, mask: Array, labels: Iterable[int] | None = None) -> None:
        """Set the user's masks for a frame; an object without pixels in them is absent there.

        Args:
            index: index of the frame.
            mask: label map `H x W`, or probabilities `K x H x W`.
            labels: labels of the probabilities; None for the known ones, in their order. New labels are new
                objects.

        Raises:
            InputError: frame, index or mask is not valid. After any error the engine is as it was before.
        """
        index = self._index(index)
        if labels is None and getattr(mask, "ndim", 2) == 3:
            labels = self.labels
        given, listed = given_objects(mask, labels, self.video.size)
        if given is None:
            raise InputError("a mask is needed: give a label map of zeros for a frame without objects.")
        known = self.labels + [label for label in listed if label not in self.state.labels]
        given = self.propagation.on_device(given)
        objects = torch.zeros(len(known), *self.video.size, device=given.device)
        for label in known if given.dim() == 2 else listed:
            objects[known.index(label)] = given == label if given.dim() == 2 else given[listed.index(label)]
        prob = aggregate(pad(objects, self.video.padding), hard=given.dim() == 2)
        with fitting_into_memory(index):
            remembered = self._remembered(index, prob, known)
        stored = self.store.put(prob, known)
        state = self.state
        state.labels = known
        state.pending.setdefault(index, state.frames.get(index))
        state.frames[index] = stored
        if not self.append_memory:
            state.memory = [each for each in state.memory if each.frame != index]
        state.memory.append(remembered)

    @torch.inference_mode()
    def prob(self, index: int) -> Tensor:
        """Return a frame's probabilities `(K+1) x H x W`: background, then `labels`."""
        stored = self.state.frames.get(self._index(index))
        return unpad(self.store.get(stored, self.state.labels), self.video.padding)

    def label_map(self, index: int) -> Tensor:
        """Return the label map of a frame, `H x W`, see `model.aggregation.most_probable`."""
        return most_probable(self.prob(index), [0, *self.state.labels])

    def propagate(
        self, first: int | None = None, last: int | None = None, forward: bool = True, backward: bool = True
    ) -> Iterator[int]:
        """Propagate masks given since the last complete round; yield each frame's index when it is done.

        Finished frames stay when the caller stops early; the next call begins a new round. The iterator must
        not be used after another call of `give` or `propagate`.

        Args:
            first: first frame whose results are kept; None for the start.
            last: last frame whose results are kept; None for the end.
            forward: whether to propagate forward.
            backward: whether to propagate backward.

        Raises:
            InputError: the range is empty.
        """
        end = len(self.frames) - 1
        kept = 0 if first is None else self._index(first), end if last is None else self._index(last)
        if kept[0] > kept[1]:
            raise InputError(f"there are no frames from {kept[0]} to {kept[1]}: give another range.")
        sources = sorted(self.state.pending)
        steps = [step for step, wanted in ((1, forward), (-1, backward)) if wanted]
        passes = plan_passes(self.state, sources, kept, len(self.frames), steps)
        is_whole = kept == (0, end) and forward and backward
        return self._run(passes, kept, sources if is_whole else ())

    def _run(self, passes: Sequence[Pass], kept: tuple[int, int], finished: Iterable[int]) -> Iterator[int]:
        """Run passes, and yield the frames whose results are kept; then `finished` are no longer pending."""
        for this in passes:
            parts = self.video, self.state, self.store, self.bank(self.state.shown()), self.fusion
            running = RunningPass(this, *parts, self.mem_every, self.remember_previous)
            for index in range(this.source + this.step, this.stop, this.step):
                is_kept = kept[0] <= index <= kept[1]
                running.segment(index, is_kept)
                if is_kept:
                    yield index
        for index in finished:
            self.state.pending.pop(index, None)

    @torch.inference_mode()
    def bank(self, labels: Sequence[int]) -> MemoryBank:
        """Return a memory bank with the permanent memory of some objects."""
        bank = MemoryBank(self.top_k, None, self.max_memory_frames, read=self.network.read_memory)
        for label in labels:
            memory = ObjectMemory(bank.max_frames)
            for each in self.state.memory:
                if label in each.rows:
                    key, value = (rows.to(self.propagation.device) for rows in each.rows[label])
                    memory.write(key, value, each.frame, permanent=True, given=True)
            bank.objects.append(memory)
        return bank

    def _remembered(self, index: int, prob: Tensor, labels: Sequence[int]) -> Given:
        """Encode a given frame with its probabilities `(K+1) x H x W` for the permanent memory.

        Objects that no given mask has shown so far are left out.
        """
        known = self.state.shown()
        shown = [k for k, label in enumerate(labels) if label in known or (prob[k + 1] > 0.5).any()]
        if not shown:
            return Given(index, {})
        encoded = self.propagation.encode(self.video.image(index), prob[[k + 1 for k in shown]])
        rows = zip(*(each.cpu() for each in encoded), strict=True)
        return Given(index, {labels[k]: row for k, row in zip(shown, rows, strict=True)})

    def _index(self, index: int) -> int:
        """Return the index of a frame; raise InputError when there is none."""
        if not 0 <= index < len(self.frames):
            raise InputError(f"there is no frame {index}: they go from 0 to {len(self.frames) - 1}.")
        return index
