"""The engine: propagates masks through a video, one frame at a time.

For each frame, `InferenceCore.step` encodes the query, reads the memory for each object, decodes, aggregates
the objects' logits to probabilities (all in `model/frame_propagation.py`), sets given masks, and remembers
the frame when it is due. `scripts/evaluation/loop.py`, the last of the five files to read, feeds the engine
with videos and writes its masks.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from model.aggregation import aggregate, most_probable
from model.arguments import Array, as_tensor, check_counts, frame_tensor, given_objects
from model.frame_propagation import FramePropagation, fitting_into_memory
from model.memory_bank import MemoryBank
from model.network import PropagationNetwork
from model.padding import pad, padding_for, unpad
from util.errors import InputError


class InferenceCore:
    """Propagates object masks through one video (MiVOS section 3.2; protocol of STM).

    Frames come in order, and objects may appear on any frame. Only the memory bank grows with the video. An
    engine serves one video.

    Args:
        network: the propagation network from `model.load_network`, on the device to compute on. With one of
            reduced precision, the memory read and the aggregation stay in float32.
        top_k: number of memory positions read per query position; None reads all.
        km_sigma: standard deviation of the KMN kernel in grid cells; None for no kernel.
        mem_every: number of frames from one permanent memory frame to the next.
        max_memory_frames: limit of permanent frames per object; None for no limit. Kept are the first frame,
            frames with given masks, the newest, and an even spread of the others, in this order. With a limit
            of 1, a correction is forgotten when the next frame is remembered.
        remember_previous: whether the previous frame is temporary memory, as published. Without it, small
            mistakes do not grow from frame to frame, which suits a network fitted from scratch.
        half_memory: whether the memory is in half precision.
        objects_at_once: number of objects in one pass of the network, see `FramePropagation`.

    Attributes:
        labels: labels of the known objects, in the order of the probability channels.
    """

    def __init__(
        self,
        network: PropagationNetwork,
        *,
        top_k: int | None = 50,
        km_sigma: float | None = None,
        mem_every: int = 5,
        max_memory_frames: int | None = None,
        remember_previous: bool = True,
        half_memory: bool = False,
        objects_at_once: int | None = None,
    ) -> None:
        check_counts(top_k=top_k, max_memory_frames=max_memory_frames, objects_at_once=objects_at_once)
        check_counts(mem_every=mem_every)
        if km_sigma is not None and not 0 < km_sigma < math.inf:
            raise InputError(f"km_sigma must be a finite number above 0, not {km_sigma!r}.")
        self.network = network
        self.propagation = FramePropagation(network, objects_at_once)
        self.device = self.propagation.device
        self.mem_every = mem_every
        self.remember_previous = remember_previous
        self.bank = MemoryBank(top_k, km_sigma, max_memory_frames, half_memory, network.read_memory)
        self.labels: list[int] = []
        self.time = -1
        self.last_permanent = 0
        self.size: tuple[int, int] | None = None

    @torch.inference_mode()
    def step(
        self, frame: Array, mask: Array | None = None, labels: Iterable[int] | None = None, last: bool = False
    ) -> Tensor:
        """Segment the next frame.

        Args:
            frame: `3 x H x W`, float, normalised (see `dataset.image_io.normalise`), or an RGB picture as a
                NumPy array `H x W x 3`, uint8.
            mask: masks given on this frame, of new objects or as corrections. Either a label map `H x W`
                (integer or bool, 0 is background) or probabilities `K x H x W` in [0, 1]. A frame or mask in
                page-locked memory is copied to a GPU asynchronously: do not change it before the result is
                read.
            labels: the K different labels in `mask`; required for probabilities, by default all non-zero
                labels of a label map. Other labels of the map are ignored.
            last: whether this is the last frame, which need not be remembered.

        Returns:
            Probabilities `(K+1) x H x W` of the background and the objects in `self.labels`, on the
            engine's device.

        Raises:
            InputError: frame, mask or labels are not valid or do not fit together, or a GPU has too little
                memory. After any error the engine is as it was before.
        """
        frame = frame_tensor(frame)
        size = (frame.shape[1], frame.shape[2])
        if self.size not in (None, size):
            raise InputError(
                f"a frame is {size[1]} x {size[0]}, those before it {self.size[1]} x {self.size[0]}: "
                "give frames of one size."
            )
        mask, labels = given_objects(mask, labels, size)
        time, known = self.time + 1, self.labels
        padding = padding_for(*size)
        image = self.propagation.image(frame, padding)
        with fitting_into_memory(time):
            prob = self._segment(image)
        if mask is not None and labels:
            given = self.propagation.on_device(mask)
            if given.dim() == 2:
                given = torch.stack([(given == label).float() for label in labels])
            known = known + [label for label in labels if label not in known]
            prob = _with_given(prob, pad(given, padding), labels, known)
        if known and not last:
            self._remember(image, prob[1:], time, {known.index(label) for label in labels})
        # the state changes last, so a failed step changes nothing
        self.size, self.time, self.labels = size, time, known
        return unpad(prob, padding)

    def remove(self, label: int) -> None:
        """Remove an object and free its memory; raise InputError for an unknown label.

        Later results have no channel for it; call `label_map` on earlier results first. A later mask with the
        same label is a new object.
        """
        if label not in self.labels:
            raise InputError(f"there is no object {label} to remove; the known ones are {self.labels}.")
        index = self.labels.index(label)
        del self.labels[index]
        self.bank.remove(index)

    def label_map(self, prob: Array, size: tuple[int, int] | None = None) -> Tensor:
        """Turn the result of `step` into a map of labels.

        Args:
            prob: result `(K+1) x h x w` of `step`, for the objects that are known now.
            size: (H, W) to which the probabilities are resized first; None keeps `h x w`.

        Returns:
            `H x W`, uint8 (int32 when a label exceeds 255), on the device of `prob`.
        """
        prob = as_tensor(prob, "a result")
        if prob.dim() != 3 or len(prob) != len(self.labels) + 1:
            raise InputError(
                f"a result of {tuple(prob.shape)} is not of the background and {len(self.labels)} objects: "
                "turn it into labels before objects come or are removed."
            )
        return most_probable(prob, [0, *self.labels], size)

    def _segment(self, image: Tensor) -> Tensor:
        """Return aggregated probabilities `(K+1) x H x W` of the known objects on a padded frame."""
        if not self.labels:
            return image.new_ones(1, *image.shape[-2:])
        query = self.network.encode_query(image)
        return self.propagation.segment(self.bank, query, len(self.labels))

    def _remember(self, image: Tensor, objects: Tensor, time: int, given: set[int]) -> None:
        """Remember a padded frame `1 x 3 x H x W` when it is due.

        Args:
            image: the frame.
            objects: probabilities of the objects, `K x H x W`.
            time: index of the frame.
            given: indices of the objects whose masks were given on it.
        """
        permanent = bool(given) or time - self.last_permanent >= self.mem_every
        if not permanent and not self.remember_previous:
            return

        with fitting_into_memory(time):
            self.bank.write(*self.propagation.encode(image, objects), time, permanent, given)
        if permanent:
            self.last_permanent = time


def _with_given(prob: Tensor, given: Tensor, labels: list[int], known: list[int]) -> Tensor:
    """Return probabilities in which the given masks replace the predicted ones.

    A given mask replaces its object's prediction. Other objects' probabilities become 0 where the sum of the
    given masks exceeds 0.5.

    Args:
        prob: `(K+1) x H x W`, of the objects known before.
        given: masks of the objects in `labels`, `k x H x W`.
        labels: labels of the given masks.
        known: labels of all objects; those in `prob` come first.
    """
    objects = prob.new_zeros(len(known), *prob.shape[-2:])
    objects[: prob.shape[0] - 1] = prob[1:]
    objects.masked_fill_(given.sum(dim=0) > 0.5, 0)
    for label, mask in zip(labels, given, strict=True):
        objects[known.index(label)] = mask
    return aggregate(objects)
