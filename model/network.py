"""The propagation network (MiVOS, CVPR 2021, section 3.2), for training, evaluation and correspondences.

A frame is segmented in three steps: `encode_query` encodes it, the memory is read with its key
(`model/memory.py`, the next file to read), and `decode` turns the readout into mask logits. `encode_memory`
encodes a frame with its masks into the key and value that later frames read. The layers are in
`model/modules.py`.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.memory import read, to_map, to_rows
from model.modules import (
    ALL,
    Decoder,
    DecoderFrame,
    KeyValue,
    MaskRGBEncoder,
    RGBEncoder,
    cat_frame_and_masks,
)
from model.resnet import load_imagenet


class Query(NamedTuple):
    """An encoded query frame, shared by all its objects."""

    key: Tensor  # B x (h*w) x 128, h = H/16, w = W/16
    grid: tuple[int, int]  # (h, w) of the feature maps
    decoder: DecoderFrame


class PropagationNetwork(nn.Module):
    """Space-time memory network with two ResNet-50 encoders (MiVOS, CVPR 2021, section 3.2).

    Args:
        single_object: whether to build the variant of training stage 0, whose memory encoder has no input
            channel for the other objects' masks.

    Attributes:
        read_memory: `model.memory.read`, or a faster function with the same result.
    """

    def __init__(self, single_object: bool = False) -> None:
        super().__init__()
        self.single_object = single_object
        self.mask_rgb_encoder = MaskRGBEncoder(single_object)
        self.rgb_encoder = RGBEncoder()
        self.kv_m_f16 = KeyValue()
        self.kv_q_f16 = KeyValue()
        self.decoder = Decoder()
        self.read_memory: Callable[..., Tensor] = read
        self.train()  # so that batch norm is frozen from the start

    def train(self, mode: bool = True) -> "PropagationNetwork":
        """Set training or evaluation mode; batch norm keeps its statistics in both.

        Its scales and shifts are trained, but a batch of a few frames is too small to normalise by.
        """
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the parameters; inputs are cast to it."""
        return self.decoder.pred.weight.dtype

    def load_imagenet(self, imagenet: dict[str, Tensor]) -> None:
        """Load torchvision's ImageNet weights into both encoders, see `model.resnet`."""
        load_imagenet(self.rgb_encoder, imagenet)
        load_imagenet(self.mask_rgb_encoder, imagenet)

    def encode_query(self, frames: Tensor) -> Query:
        """Encode normalised query frames `B x 3 x H x W`; H and W are multiples of 16."""
        f16, f8, f4 = self.rgb_encoder(frames.to(self.dtype))
        key, value = self.kv_q_f16(f16)
        return Query(to_rows(key), tuple(key.shape[-2:]), self.decoder.frame_part(value, f8, f4))

    def encode_memory(self, frames: Tensor, masks: Tensor, objects: slice = ALL) -> tuple[Tensor, Tensor]:
        """Encode frames with their masks into memory keys and values.

        Args:
            frames: `B x 3 x H x W`, normalised, H and W multiples of 16.
            masks: `B x K x H x W`, probabilities of K objects.
            objects: the k objects to encode; each also sees the masks of all others.

        Returns:
            Key `(B*k) x (h*w) x 128` and value `(B*k) x (h*w) x 512`.
        """
        with_masks = cat_frame_and_masks(frames, masks, self.single_object, objects)
        key, value = self.kv_m_f16(self.mask_rgb_encoder(with_masks.to(self.dtype)))
        return to_rows(key), to_rows(value)

    def decode(self, readout: Tensor, query: Query) -> Tensor:
        """Return float32 mask logits `(B*K) x 1 x H x W` of the K objects of each query frame.

        Args:
            readout: `(B*K) x (h*w) x 512`.
            query: the B encoded query frames.
        """
        return self.decoder(to_map(readout.to(self.dtype), query.grid), query.decoder)
