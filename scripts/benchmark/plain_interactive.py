"""The plain way to propagate in rounds, which `scripts.benchmark interactive` and the tests compare with.

As published: probabilities of all frames in memory, each pass reads the given frames and its own, and what
lies between two given frames is blended, here by distance.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from model.aggregation import aggregate
from model.modules import cat_frame_and_masks
from model.network import PropagationNetwork
from model.padding import pad, padding_for, unpad
from scripts.benchmark.plain_propagation import PlainCore


class PlainInteractiveCore(PlainCore):
    """Rounds over a video of K objects, without fusion weights.

    Args:
        network: in eval mode, NCHW, batch norm not folded.
        frames: `3 x H x W`, normalised.
        objects: K.
    """

    def __init__(self, network: PropagationNetwork, frames: Sequence[Tensor], objects: int) -> None:
        super().__init__(network)
        self.frames = frames
        self.objects = objects
        self.padding = padding_for(*frames[0].shape[-2:])
        self.given: list[int] = []
        self.certain: tuple[Tensor, Tensor] | None = None  # K x C x T*h*w
        self.probs: dict[int, Tensor] = {}

    @torch.inference_mode()
    def propagate(self, index: int, mask: Tensor) -> Iterator[int]:
        """Take the label map `H x W` of a frame for right and carry it both ways; yields each frame."""
        objects = torch.stack([(mask == label).float() for label in range(1, self.objects + 1)])
        self.probs[index] = aggregate(pad(objects, self.padding), hard=True)
        key, value = self._encoded(index, self.probs[index])
        if self.certain is not None:
            key, value = torch.cat([self.certain[0], key], 2), torch.cat([self.certain[1], value], 2)
        self.certain = key, value
        self.given.append(index)
        for step in (1, -1):
            beyond = [frame for frame in self.given if (frame - index) * step > 0]
            bound = min(beyond, key=lambda frame: abs(frame - index), default=None)
            stop = bound if bound is not None else (len(self.frames) if step > 0 else -1)
            (self.keys, self.values), self.temporary, last = self.certain, None, index
            for frame in range(index + step, stop, step):
                new = self._segment(self._image(frame))
                if frame + step != stop:
                    key, value = self._encoded(frame, new)
                    if abs(frame - last) >= self.mem_every:
                        self.keys, self.values = (
                            torch.cat([self.keys, key], 2),
                            torch.cat([self.values, value], 2),
                        )
                        self.temporary, last = None, frame
                    else:
                        self.temporary = key, value
                if bound is not None:
                    new = torch.lerp(self.probs[frame], new, abs(bound - frame) / abs(bound - index))
                self.probs[frame] = new
                yield frame

    def label_map(self, index: int) -> Tensor:
        """Return the labels of a frame, `H x W`."""
        return unpad(self.probs[index], self.padding).argmax(dim=0).to(torch.uint8)

    def _image(self, index: int) -> Tensor:
        return pad(self.frames[index][None].to(self.device), self.padding).contiguous()

    def _encoded(self, index: int, prob: Tensor) -> tuple[Tensor, Tensor]:
        with_masks = cat_frame_and_masks(self._image(index), prob[None, 1:], self.network.single_object)
        features = self.network.mask_rgb_encoder(with_masks)
        key, value = (x.flatten(2) for x in self.network.kv_m_f16(features))
        return key, value
