"""Plain formulation of interactive rounds for `benchmark interactive`.

It is the published core in ordinary PyTorch. All frames and probabilities are on the device in float32, the
memory is concatenated for each frame, fusion transfers differences by a dense matrix, and each round encodes
all frames.
"""

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from model.aggregation import aggregate
from model.interactive.fusion import FusionNetwork, time_shares
from model.network import PropagationNetwork
from model.padding import pad, padding_for, unpad
from scripts.benchmark.plain_propagation import PlainCore


class PlainInteractive(PlainCore):
    """Propagates all objects of a video from given frames, one given at a time.

    Args:
        network: propagation network in eval mode, NCHW, with batch norm.
        frames: frames `3 x H x W`.
        objects: number K of objects, which have the labels 1 to K.
        fusion: fusion network; None weights by distance.
    """

    def __init__(
        self,
        network: PropagationNetwork,
        frames: Sequence[Tensor],
        objects: int,
        fusion: FusionNetwork | None = None,
    ) -> None:
        super().__init__(network)
        self.fusion = fusion
        self.padding = padding_for(*frames[0].shape[-2:])
        self.images = pad(torch.stack(list(frames)).to(self.device), self.padding)  # T x 3 x H x W
        self.probs = self.images.new_zeros(objects + 1, len(frames), *self.images.shape[-2:])
        self.probs[0] = 1
        self.difference = self.probs[1:, 0]  # made by the last mask, K x H x W
        self.given: list[int] = []
        self.permanent: list[tuple[Tensor, Tensor]] = []  # K x C x h*w of each given frame

    @torch.inference_mode()
    def give(self, index: int, mask: Tensor) -> None:
        """Set the user's label map `H x W` for a frame."""
        objects = torch.stack([mask == label for label in range(1, len(self.probs))]).float()
        prob = aggregate(pad(objects.to(self.device), self.padding), hard=True)
        self.difference = (prob - self.probs[:, index])[1:]
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
        image = self.images[index : index + 1]
        query = self._query(image)
        prob = self._segment(query)
        if not is_last:
            self._remember(*self._encode(image, prob), permanent)
        self.probs[:, index] = prob if bound is None else self._fused(index, query[0], prob, bound)

    def _fused(self, index: int, query: Tensor, new: Tensor, bound: int) -> Tensor:
        """Return the fusion of a frame's old and new probabilities, `(K+1) x H x W`.

        Args:
            index: index of the frame.
            query: query key of the frame, `1 x C x h x w`.
            new: probabilities propagated from the last given frame.
            bound: the given frame on the other side.
        """
        old, source = self.probs[:, index], self.given[-1]
        shares = time_shares(index, source, bound)
        if self.fusion is None:
            return shares[0] * new + (1 - shares[0]) * old
        image, size = self.images[index : index + 1], self.images.shape[-2:]
        times = [torch.full_like(image[:, :1], share) for share in shares]
        logits = []
        for k, (key, difference) in enumerate(
            zip(self.permanent[-1][0], self.difference, strict=True), start=1
        ):
            weights = (key.T @ query[0].flatten(1) / math.sqrt(len(key))).softmax(dim=0)  # h*w x h*w
            signed = torch.stack([difference.clamp(0, 1), (-difference).clamp(0, 1)])
            coarse = F.avg_pool2d(signed, 16).flatten(1)
            moved = (coarse @ weights).view(1, 2, *query.shape[-2:])
            attention = F.interpolate(moved, size, mode="bilinear", align_corners=False)
            masks = [prob[k].view_as(times[0]) for prob in (old, new)]
            logits.append(self.fusion(torch.cat([image, *masks, attention, *times], dim=1)))
        return aggregate(torch.cat(logits)[:, 0].sigmoid())
