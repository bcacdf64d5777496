"""Plain formulation of interactive rounds for `benchmark interactive`.

It is the published core in ordinary PyTorch, with fusion by distance. All frames and probabilities are on the
device in float32, the memory is concatenated for each frame, and each round encodes all frames.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from model.aggregation import aggregate
from model.interactive.fusion import time_shares
from model.network import PropagationNetwork
from model.padding import pad, padding_for, unpad
from scripts.benchmark.plain_propagation import PlainCore


class PlainInteractive(PlainCore):
    """Propagates all objects of a video from given frames, one given at a time.

    Args:
        network: propagation network in eval mode, NCHW, with batch norm.
        frames: frames `3 x H x W`.
        objects: number K of objects, which have the labels 1 to K.
    """

    def __init__(self, network: PropagationNetwork, frames: Sequence[Tensor], objects: int) -> None:
        super().__init__(network)
        self.padding = padding_for(*frames[0].shape[-2:])
        self.images = pad(torch.stack(list(frames)).to(self.device), self.padding)  # T x 3 x H x W
        self.probs = self.images.new_zeros(objects + 1, len(frames), *self.images.shape[-2:])
        self.probs[0] = 1
        self.given: list[int] = []
        self.permanent: list[tuple[Tensor, Tensor]] = []  # K x C x h*w of each given frame

    @torch.inference_mode()
    def give(self, index: int, mask: Tensor) -> None:
        """Set the user's label map `H x W` for a frame."""
        objects = torch.stack([mask == label for label in range(1, len(self.probs))]).float()
        prob = aggregate(pad(objects.to(self.device), self.padding), hard=True)
        self.probs[:, index] = prob
        self.given.append(index)
        self.permanent.append(self._encode(self.images[index : index + 1], prob))

    def propagate(self) -> Iterator[int]:
        """Propagate the last given masks forward and backward; yield each frame when it is done."""
        source, count = self.given[-1], self.images.shape[0]
        for step, end in ((1, count), (-1, -1)):
            beyond = [frame for frame in self.given if (frame - source) * step > 0]
            bound = min(beyond, key=lambda frame: abs(frame - source), default=None)
            self.keys, self.values = (torch.cat(parts, 2) for parts in zip(*self.permanent, strict=True))
            self.temporary, last = None, source
            stop = end if bound is None else bound
            for index in range(source + step, stop, step):
                permanent = abs(index - last) >= self.mem_every
                last = index if permanent else last
                self._do(index, bound, permanent, is_last=index + step == stop)
                yield index

    def label_map(self, index: int) -> Tensor:
        """Return the labels of a frame, `H x W`."""
        return unpad(self.probs[:, index], self.padding).argmax(dim=0).to(torch.uint8)

    @torch.inference_mode()
    def _do(self, index: int, bound: int | None, permanent: bool, is_last: bool) -> None:
        """Propagate to a frame; `bound` is the given frame on the other side."""
        image = self.images[index : index + 1]
        prob = self._segment(self._query(image))
        if not is_last:
            self._remember(*self._encode(image, prob), permanent)
        if bound is not None:
            share = time_shares(index, self.given[-1], bound)[0]
            prob = share * prob + (1 - share) * self.probs[:, index]
        self.probs[:, index] = prob
