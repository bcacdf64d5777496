"""Layers of the propagation network: encoders, key/value heads and decoder (STM, ICCV 2019).

Attribute names must not change: they are the names in the published checkpoints.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.resnet import make_stage

ALL = slice(None)


class RGBEncoder(nn.Module):
    """Query encoder: the first three stages of ResNet-50, without convolution bias."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.res2 = make_stage(64, 64, blocks=3, stride=1, bias=False)
        self.layer2 = make_stage(256, 128, blocks=4, stride=2, bias=False)
        self.layer3 = make_stage(512, 256, blocks=6, stride=2, bias=False)

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode `B x 3 x H x W` into f16 (1024 channels), f8 (512) and f4 (256), named by stride."""
        x = F.relu(self.bn1(self.conv1(frame)), inplace=True)
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        f4 = self.res2(x)
        f8 = self.layer2(f4)
        f16 = self.layer3(f8)
        return f16, f8, f4


class MaskRGBEncoder(nn.Module):
    """Memory encoder of frame and masks: the first three stages of ResNet-50, with convolution bias."""

    def __init__(self, single_object: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4 if single_object else 5, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = make_stage(64, 64, blocks=3, stride=1, bias=True)
        self.layer2 = make_stage(256, 128, blocks=4, stride=2, bias=True)
        self.layer3 = make_stage(512, 256, blocks=6, stride=2, bias=True)

    def forward(self, frame_and_masks: Tensor) -> Tensor:
        """Encode `B x (4 or 5) x H x W` (RGB, mask, others) into f16: `B x 1024 x H/16 x W/16`."""
        x = F.relu(self.bn1(self.conv1(frame_and_masks)), inplace=True)
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        return self.layer3(self.layer2(self.layer1(x)))


class KeyValue(nn.Module):
    """Two 3x3 convolutions from f16 to the key (128) and the value (512)."""

    def __init__(self) -> None:
        super().__init__()
        self.key_proj = nn.Conv2d(1024, 128, 3, padding=1)
        self.val_proj = nn.Conv2d(1024, 512, 3, padding=1)

    def forward(self, f16: Tensor) -> tuple[Tensor, Tensor]:
        """Map `B x 1024 x h x w` to key `B x 128 x h x w` and value `B x 512 x h x w`."""
        return self.key_proj(f16), self.val_proj(f16)


class ResBlock(nn.Module):
    """Pre-activation residual block; the shortcut is a 3x3 convolution when the channel counts differ."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.downsample: nn.Conv2d | None = None
        if in_channels != out_channels:
            self.downsample = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `B x in_channels x h x w` to `B x out_channels x h x w`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.conv2(F.relu(self.conv1(F.relu(x)), inplace=True)).add_(shortcut)


def add_per_frame(objects: Tensor, frame: Tensor) -> Tensor:
    """Add features of frames, `B x C x h x w`, to those of their objects, `(B*K) x C x h x w`, in place."""
    objects.unflatten(0, (frame.shape[0], -1)).add_(frame.unsqueeze(1))
    return objects


class PartialConv2d(nn.Conv2d):
    """A 3x3 convolution that can be applied to a part of its input channels.

    Args:
        parts: slices of input channels that `forward` may get.
        in_channels: number of input channels of all parts.
        out_channels: number of output channels.
    """

    def __init__(self, parts: tuple[slice, slice], in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.parts = parts

    def forward(self, x: Tensor, channels: slice = ALL, bias: bool = True) -> Tensor:
        """Convolve features `B x C x h x w` of the C input channels in `channels`, with or without bias."""
        return F.conv2d(x, self.weight[:, channels], self.bias if bias else None, self.stride, self.padding)


class CompressBlock(nn.Module):
    """`ResBlock` on the concatenation of readout and query value, in two halves.

    A convolution of a concatenation is the sum of two convolutions. The half of the query value is the same
    for all objects of a frame, so it is computed once per frame.
    """

    def __init__(self, object_channels: int, frame_channels: int, out_channels: int) -> None:
        super().__init__()
        in_channels = object_channels + frame_channels
        self.of_object = slice(None, object_channels)
        self.of_frame = slice(object_channels, None)
        parts = self.of_object, self.of_frame
        self.downsample = PartialConv2d(parts, in_channels, out_channels)
        self.conv1 = PartialConv2d(parts, in_channels, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def frame_half(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the parts of (conv1, downsample) from `B x frame_channels x h x w`, with biases."""
        return self.conv1(F.relu(x), self.of_frame), self.downsample(x, self.of_frame)

    def forward(self, x: Tensor, frame_half: tuple[Tensor, Tensor]) -> Tensor:
        """Map readouts `(B*K) x object_channels x h x w` to `(B*K) x out_channels x h x w`."""
        hidden = add_per_frame(self.conv1(F.relu(x), self.of_object, bias=False), frame_half[0])
        shortcut = add_per_frame(self.downsample(x, self.of_object, bias=False), frame_half[1])
        return self.conv2(F.relu(hidden, inplace=True)).add_(shortcut)


class UpsampleBlock(nn.Module):
    """Adds a coarse feature, upsampled by two, to the skip feature of the next finer scale."""

    def __init__(self, skip_channels: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.skip_conv1 = nn.Conv2d(skip_channels, in_channels, 3, padding=1)
        self.skip_conv2 = ResBlock(in_channels, in_channels)
        self.out_conv = ResBlock(in_channels, out_channels)

    def skip(self, feature: Tensor) -> Tensor:
        """Return the skip path, `B x in_channels x h x w`, which depends on the frame alone."""
        return self.skip_conv2(self.skip_conv1(feature))

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Map `(B*K) x in_channels x h/2 x w/2` and `skip` to `(B*K) x out_channels x h x w`."""
        fine = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        return self.out_conv(add_per_frame(fine, skip))


class DecoderFrame(NamedTuple):
    """The part of the decoder that is computed once per frame, for all objects."""

    compress: tuple[Tensor, Tensor]  # 2 of B x 512 x H/16 x W/16
    skip_8: Tensor  # B x 512 x H/8 x W/8
    skip_4: Tensor  # B x 256 x H/4 x W/4


class Decoder(nn.Module):
    """Decoder from readout and query value to one mask logit per pixel and object."""

    def __init__(self) -> None:
        super().__init__()
        self.compress = CompressBlock(512, 512, 512)
        self.up_16_8 = UpsampleBlock(512, 512, 256)
        self.up_8_4 = UpsampleBlock(256, 256, 256)
        self.pred = nn.Conv2d(256, 1, 3, padding=1)

    def frame_part(self, query_value: Tensor, f8: Tensor, f4: Tensor) -> DecoderFrame:
        """Return the part of the decoder that depends on the query frame alone.

        Shapes: `B x 512 x H/16 x W/16`, `B x 512 x H/8 x W/8` and `B x 256 x H/4 x W/4`.
        """
        return DecoderFrame(
            self.compress.frame_half(query_value), self.up_16_8.skip(f8), self.up_8_4.skip(f4)
        )

    def forward(self, readout: Tensor, frame: DecoderFrame) -> Tensor:
        """Decode `(B*K) x 512 x h x w` into float32 logits `(B*K) x 1 x 16h x 16w`."""
        x = self.compress(readout, frame.compress)
        x = self.up_16_8(x, frame.skip_8)
        x = self.up_8_4(x, frame.skip_4)
        logits = self.pred(F.relu(x, inplace=True)).float()
        return F.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False)


def cat_frame_and_masks(frames: Tensor, masks: Tensor, single_object: bool, objects: slice = ALL) -> Tensor:
    """Build the input of the memory encoder for every object.

    Args:
        frames: frames `B x 3 x H x W`.
        masks: probabilities of the K objects, `B x K x H x W`.
        single_object: whether to leave out the channel of the other objects.
        objects: the k objects to build the input for.

    Returns:
        `(B*k) x (4 or 5) x H x W`: RGB, the object's mask, the sum of the other objects' masks.
    """
    own = masks[:, objects].unsqueeze(2)  # B x k x 1 x H x W
    frames = frames.unsqueeze(1).expand(-1, own.shape[1], -1, -1, -1)  # B x k x 3 x H x W
    if single_object:
        return torch.cat([frames, own], dim=2).flatten(0, 1)
    others = masks.sum(dim=1, keepdim=True).unsqueeze(2) - own
    return torch.cat([frames, own, others], dim=2).flatten(0, 1)
