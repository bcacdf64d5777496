"""Plain formulation of propagation for `benchmark inference` and `read`.

It is the same protocol in ordinary PyTorch: NCHW float32 with batch norm, a dense affinity of memory x query,
top-k along the memory axis and scatter, the memory concatenated for each frame, the decoder's input
concatenated for each object. As in the public version, the decoder's skip path is computed once per frame.
Objects are given on the first frame.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from model.aggregation import aggregate
from model.modules import Decoder, cat_frame_and_masks
from model.network import PropagationNetwork
from model.padding import pad, padding_for, unpad


def read_plainly(memory_key: Tensor, memory_value: Tensor, query_key: Tensor, top_k: int) -> Tensor:
    """Read the memory of one object, `512 x HW`.

    Args:
        memory_key: `128 x N`.
        memory_value: `512 x N`.
        query_key: `128 x HW`.
        top_k: number of memory positions read per query position.
    """
    affinity = memory_key.T @ query_key / math.sqrt(memory_key.shape[0])  # N x HW
    values, indices = affinity.topk(min(top_k, affinity.shape[0]), dim=0)  # k x HW
    weights = (values - values[0]).exp()
    weights /= weights.sum(dim=0, keepdim=True)
    affinity.zero_().scatter_(0, indices, weights)
    return memory_value @ affinity


def decode_plainly(
    decoder: Decoder, readout: Tensor, query_value: Tensor, skip_8: Tensor, skip_4: Tensor
) -> Tensor:
    """Return mask logits `B x 1 x 16h x 16w` of one object of each frame.

    Args:
        decoder: decoder of the network.
        readout: `B x 512 x h x w`.
        query_value: `B x 512 x h x w`.
        skip_8: result of `up_16_8.skip`, `B x 512 x 2h x 2w`.
        skip_4: result of `up_8_4.skip`, `B x 256 x 4h x 4w`.
    """
    both, compress = torch.cat([readout, query_value], dim=1), decoder.compress
    x = compress.conv2(F.relu(compress.conv1(F.relu(both)))) + compress.downsample(both)
    for block, skip in ((decoder.up_16_8, skip_8), (decoder.up_8_4, skip_4)):
        fine = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = block.out_conv(fine + skip)
    x = decoder.pred(F.relu(x))
    return F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)


class PlainCore:
    """Propagates all objects of a video, given on its first frame.

    Args:
        network: propagation network in eval mode, NCHW, with batch norm.
    """

    top_k = 50
    mem_every = 5

    def __init__(self, network: PropagationNetwork) -> None:
        self.network = network
        self.device = next(network.parameters()).device
        self.keys = self.values = torch.empty(0)  # K x C x T*h*w
        self.temporary: tuple[Tensor, Tensor] | None = None
        self.time = -1

    @torch.inference_mode()
    def step(self, frame: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return probabilities `(K+1) x H x W` of the next frame `3 x H x W`.

        The first frame needs a label map `H x W` with the labels 1 to K.
        """
        self.time += 1
        padding = padding_for(*frame.shape[-2:])
        image = pad(frame[None].to(self.device), padding).contiguous()
        if mask is not None:
            mask = mask.to(self.device)
            labels = range(1, int(mask.max()) + 1)
            prob = aggregate(pad(torch.stack([(mask == label).float() for label in labels]), padding))
        else:
            prob = self._segment(self._query(image))
        key, value = self._encode(image, prob)
        if mask is not None:
            self.keys, self.values = key, value
        else:
            self._remember(key, value, permanent=self.time % self.mem_every == 0)
        return unpad(prob, padding)

    def _encode(self, image: Tensor, prob: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys `K x C x h*w` and values of a frame `1 x 3 x H x W` with its probabilities."""
        with_masks = cat_frame_and_masks(image, prob[None, 1:], self.network.single_object)
        key, value = self.network.kv_m_f16(self.network.mask_rgb_encoder(with_masks))
        return key.flatten(2), value.flatten(2)

    def _remember(self, key: Tensor, value: Tensor, permanent: bool) -> None:
        if permanent:
            self.keys, self.values = torch.cat([self.keys, key], 2), torch.cat([self.values, value], 2)
        self.temporary = None if permanent else (key, value)

    def _query(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return key and value `1 x C x h x w` of a frame `1 x 3 x H x W`, and the decoder's skips."""
        f16, f8, f4 = self.network.rgb_encoder(image)
        decoder = self.network.decoder
        return *self.network.kv_q_f16(f16), decoder.up_16_8.skip(f8), decoder.up_8_4.skip(f4)

    def _segment(self, query: tuple[Tensor, ...]) -> Tensor:
        keys, values = self.keys, self.values
        if self.temporary is not None:
            keys, values = torch.cat([keys, self.temporary[0]], 2), torch.cat([values, self.temporary[1]], 2)
        query_key, *frame_part = query
        logits = []
        for key, value in zip(keys, values, strict=True):
            readout = read_plainly(key, value, query_key[0].flatten(1), self.top_k)
            readout = readout.view(1, -1, *query_key.shape[-2:])
            logits.append(decode_plainly(self.network.decoder, readout, *frame_part))
        return aggregate(torch.cat(logits)[:, 0].sigmoid())
