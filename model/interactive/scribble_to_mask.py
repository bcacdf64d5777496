"""Masks from scribbles on one frame, by the scribble-to-mask network.

`ScribbleSegmenter` is the interface; `model.interactive.grab_cut` implements it without weights.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import normalise
from dataset.interactive.scribbles import NONE, split_scribbles
from model.aggregation import aggregate
from model.interactive.s2m import S2MNetwork
from model.padding import pad, padding_for, unpad
from util.errors import InputError

Labels = NDArray[np.integer]  # H x W


class ScribbleSegmenter(Protocol):
    """Turns scribbles into masks."""

    def segment(
        self, image: NDArray[np.uint8], scribbles: Labels, previous: Labels | None, labels: Sequence[int]
    ) -> Tensor:
        """Segment the objects of a frame.

        Args:
            image: RGB frame `H x W x 3`.
            scribbles: scribble map `H x W` (`dataset.interactive.scribbles`): label, 0 for background, -1 for
                none.
            previous: previous label map `H x W`, or None. Without any scribbles it is the result.
            labels: labels of all K objects, also of those without scribbles.

        Returns:
            Probabilities `(K+1) x H x W`, nearly 0 and 1, background first, objects as in `labels`. An object
            without a previous mask and scribbles stays empty, unless the segmenter states otherwise.

        Raises:
            InputError: sizes differ, or a scribble is of an object that is not listed.
        """
        ...


class S2MSegmenter:
    """Segments by the scribble-to-mask network, one object at a time against all others.

    Args:
        network: the S2M network from `model.load_s2m`.
        widen: whether to dilate scribbles by 3 x 3 first, as for the DAVIS interactive track, where they are
            one pixel wide.
        every_object: whether to run the network for every object, as published. Otherwise objects without a
            mask and scribbles stay empty.
    """

    def __init__(self, network: S2MNetwork, widen: bool = False, every_object: bool = False) -> None:
        self.network = network
        self.widen = widen
        self.every_object = every_object

    @torch.inference_mode()
    def segment(
        self, image: NDArray[np.uint8], scribbles: Labels, previous: Labels | None, labels: Sequence[int]
    ) -> Tensor:
        """Segment the objects of a frame; see `ScribbleSegmenter`."""
        previous = check_previous(image, scribbles, previous, labels)
        prob = split_label_map(previous, labels)
        if (scribbles != NONE).any():
            frame = normalise(image)
            for channel, label in enumerate(labels):
                positive, negative = split_scribbles(scribbles, label, self.widen)
                mask = previous == label
                if self.every_object or positive.any() or mask.any():
                    prob[channel] = self._probability(frame, mask, positive, negative)
        return aggregate(prob.to(next(self.network.parameters()).device), hard=True)

    def _probability(
        self, frame: Tensor, mask: NDArray[np.bool_], positive: NDArray[np.bool_], negative: NDArray[np.bool_]
    ) -> Tensor:
        """Return the probability `H x W` of one object on a normalised frame `3 x H x W`."""
        planes = torch.from_numpy(np.stack([mask, positive, negative])).to(frame.dtype)
        padding = padding_for(*frame.shape[-2:])
        x = pad(torch.cat([frame, planes])[None].to(next(self.network.parameters()).device), padding)
        logits = self.network(x.contiguous(memory_format=torch.channels_last))
        return unpad(logits, padding)[0, 0].sigmoid()


def check_previous(
    image: NDArray[np.uint8], scribbles: Labels, previous: Labels | None, labels: Sequence[int]
) -> Labels:
    """Return the previous label map, or an empty one.

    Arguments and errors are those of `ScribbleSegmenter.segment`.
    """
    previous = np.zeros(image.shape[:2], np.uint8) if previous is None else previous
    for what, plane in (("scribbles", scribbles), ("a previous mask", previous)):
        if plane.shape != image.shape[:2]:
            raise InputError(f"{what} of {plane.shape} must have the size of the frame, {image.shape[:2]}.")
    unknown = sorted(set(np.unique(scribbles).tolist()) - {NONE, 0, *labels})
    if unknown:
        raise InputError(f"scribbles mark object {unknown[0]}, none of {list(labels)}: add it first.")
    return previous


def split_label_map(label_map: Labels, labels: Sequence[int]) -> Tensor:
    """Return the masks of K objects in a label map `H x W`: `K x H x W`, 0 or 1, float32."""
    return torch.from_numpy(label_map == np.array(labels).reshape(-1, 1, 1)).float()
