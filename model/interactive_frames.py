"""The frames of an interactive session: decoded, encoded and segmented when they are needed."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from model.aggregation import aggregate
from model.arguments import frame_tensor
from model.array_store import ArrayStore
from model.frame_propagation import FramePropagation
from model.interactive.fusion import FusionNetwork, fuse, moved_difference
from model.interactive_state import Certain, Remembered, State
from model.memory_bank import MemoryBank, ObjectMemory
from model.network import PropagationNetwork, Query
from model.padding import pad, padding_for
from model.probability_store import ProbabilityStore
from model.query_cache import QueryCache
from util.errors import InputError


class InteractiveFrames(FramePropagation):
    """What the interactive engine computes of one frame, and what it keeps of it.

    Args:
        network: in eval mode, on the device to compute on.
        frames: normalised, `3 x H x W`.
        fusion: joins two results of a frame; None where there is none.
        arrays: keeps what is stored.
        options: of `InteractiveCore`.
        query_bytes: of encoded frames kept.
        objects_at_once: see `FramePropagation`.

    Attributes:
        size: (H, W) of the frames.
        padding: that brings them to the network's stride.
        probs: probabilities of padded frames.
    """

    def __init__(
        self,
        network: PropagationNetwork,
        frames: Sequence[Tensor],
        fusion: FusionNetwork | None,
        arrays: ArrayStore,
        options: dict[str, Any],
        query_bytes: int,
        objects_at_once: int | None,
    ) -> None:
        super().__init__(network, objects_at_once)
        self.frames = frames
        self.fusion = fusion
        self.arrays = arrays
        self.options = options
        height, width = frame_tensor(frames[0]).shape[1:]
        self.size = height, width
        self.padding = left, right, top, bottom = padding_for(height, width)
        padded = height + top + bottom, width + left + right
        self.probs = ProbabilityStore(arrays, options["store"], padded, self.device)
        self.queries = QueryCache(query_bytes)

    def image(self, index: int) -> Tensor:
        """Return a frame as the network takes it, `1 x 3 x H x W`, padded.

        Raises:
            InputError: it is no frame, or of another size than the first.
        """
        frame = frame_tensor(self.frames[index])
        if tuple(frame.shape[1:]) != self.size:
            raise InputError(
                f"frame {index} is {frame.shape[2]} x {frame.shape[1]}, the first one {self.size[1]} x "
                f"{self.size[0]}: bring all to one size."
            )
        image = pad(self.brought(frame).unsqueeze(0), self.padding)
        return image.contiguous(memory_format=torch.channels_last)

    def release(self) -> None:
        """Free what is only kept for speed, encoded frames too."""
        self.queries.clear()
        super().release()

    def query(self, index: int, image: Tensor) -> Query:
        """Return the encoding of a frame `1 x 3 x H x W`, from the cache where it is."""
        return self.queries.get(index, lambda: self.network.encode_query(image))

    def certain(self, index: int, prob: Tensor, labels: Sequence[int], known: Sequence[int]) -> Certain:
        """Encode a given frame, to be remembered in all passes to come.

        Args:
            index: of the frame.
            prob: its probabilities, `(K+1) x H x W`.
            labels: of the K objects.
            known: those that some given mask has shown; others are left out where this one does not either.
        """
        shown = [k for k, label in enumerate(labels) if label in known or (prob[k + 1] > 0.5).any()]
        if not shown:
            return Certain(index, {}, {})
        image, objects = self.image(index), prob[[k + 1 for k in shown]]
        encoded = self.in_available_memory(lambda: self.encode(image, objects), index, len(shown))
        keys, values = (
            {labels[k]: self.put(row) for k, row in zip(shown, rows, strict=True)} for rows in encoded
        )
        return Certain(index, keys, values)

    def bank_of(self, state: State, labels: Sequence[int], remembered: Sequence[Remembered]) -> MemoryBank:
        """Return a bank of what is certain of some objects, and of what a pass remembers."""
        bank = MemoryBank(self.options["top_k"], None, self.options["max_memory_frames"])
        tensor = self.probs.tensor
        for label in labels:
            memory = ObjectMemory(bank.max_frames)
            for each in state.certain:
                if label in each.keys:
                    key, value = tensor(each.keys[label]), tensor(each.values[label])
                    memory.write(key, value, each.frame, permanent=True, given=True)
            bank.objects.append(memory)
        for one in remembered:
            bank.write(tensor(one.keys), tensor(one.values), one.frame, one.permanent)
        return bank

    def fused(
        self,
        network: FusionNetwork,
        image: Tensor,
        query: Query,
        old: Tensor,
        new: Tensor,
        difference: Tensor,
        keys: Tensor,
        shares: tuple[float, float],
    ) -> Tensor:
        """Join two results of a frame, `(K+1) x H x W` each, as one.

        Args:
            network: that fuses.
            image: the frame, `1 x 3 x H x W`.
            query: its encoding.
            old: the one from before.
            new: the one propagated from the corrected frame.
            difference: what the correction changed there, `K x H x W`.
            keys: memory keys of the corrected frame, `K x (h*w) x 128`.
            shares: of `model.interactive.fusion.time_shares`.
        """
        query_key = query.key.float()
        logits = []
        for part in self.parts(len(keys), old[0].numel()):
            attention = moved_difference(difference[part], keys[part], query_key, query.grid)
            logits.append(fuse(network, image[0], old[1:][part], new[1:][part], attention, shares))
        return aggregate(torch.cat(logits).sigmoid_())

    def put(self, tensor: Tensor) -> int:
        """Keep a tensor; return the number of its array."""
        return self.arrays.put(tensor.cpu().numpy())
