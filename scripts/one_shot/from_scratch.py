"""Initialises a network without pretrained weights, by a few samples.

Random weights learn slowly to copy the mask from similar positions of the memory. So the network starts as
one that roughly does that, with random features:

- Both encoders are the same function, and both keys the same projection, centred and of unit variance: the
  memory is read where texture is similar, sharply enough for top-k.
- The masks pass the memory encoder in separate channels, along the shortcuts, and reach only the value.
- Batch norm, which is frozen in training, has the statistics of these samples (data-dependent initialisation,
  Krähenbühl et al., ICLR 2016).
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.modules import Decoder, MaskRGBEncoder, RGBEncoder, cat_frame_and_masks
from model.network import PropagationNetwork
from model.resnet import Bottleneck

Encoder = RGBEncoder | MaskRGBEncoder

BRANCH_SCALE = 0.1  # scale of what a bottleneck adds to its shortcut
KEY_SCALE = 1.5  # standard deviation of the keys' channels; a larger one makes the read sharper
LOGIT_RANGE = 8.0  # difference of the logits of a mask of 0 and of 1


@torch.no_grad()
def initialise_from_scratch(network: PropagationNetwork, batch: dict[str, Any]) -> None:
    """Initialise the encoders and the key and value heads in place, and carry the mask through the decoder.

    Args:
        network: the propagation network, on the device of the batch.
        batch: samples that set the batch-norm statistics, as `Trainer.step` takes them.
    """
    frames = batch["rgb"].flatten(0, 1)  # N x 3 x H x W, N = samples * 3
    masks = torch.cat([batch[name] for name in ("gt", "sec_gt") if name in batch], dim=2).flatten(0, 1)
    query, memory = network.rgb_encoder, network.mask_rgb_encoder
    carried = memory.conv1.in_channels - 3  # one channel for each mask that the memory encoder sees
    for encoder in (query, memory):
        randomise(encoder)
        reserve_channels(encoder, carried)
    query_f16 = measure_batch_norm(query, frames)
    copy_encoder(query, memory)
    memory.conv1.weight[:, 3:] = 0
    for channel in range(carried):
        memory.conv1.weight[channel, 3 + channel] = 1 / memory.conv1.weight[0, 0].numel()  # the mean
    memory_f16 = memory(cat_frame_and_masks(frames, masks, network.single_object))

    query_head, memory_head = network.kv_q_f16, network.kv_m_f16
    start_head(query_head.key_proj, query_f16, carried, KEY_SCALE)
    memory_head.key_proj.load_state_dict(query_head.key_proj.state_dict())
    start_head(query_head.val_proj, query_f16, carried)
    start_head(memory_head.val_proj, memory_f16, carried)
    weight, bias = memory_head.val_proj.weight, memory_head.val_proj.get_parameter("bias")
    weight[:carried], bias[:carried] = 0, 0
    for channel in range(carried):
        # f16 belongs to the corner of its cell: the four positions around the cell's middle
        weight[channel, channel, 1:, 1:] = 1 / 4
    carry_through_decoder(network.decoder)


def carry_through_decoder(decoder: Decoder) -> None:
    """Let the first channel of the readout, which is the remembered mask, become the logit."""
    up_8, up_4 = decoder.up_16_8, decoder.up_8_4
    for block in (decoder.compress, up_8.skip_conv2, up_8.out_conv, up_4.skip_conv2, up_4.out_conv):
        isolate(block.conv2)
    isolate(up_8.skip_conv1)
    isolate(up_4.skip_conv1)
    for block in (decoder.compress, up_8.out_conv):
        isolate(block.get_submodule("downsample"))
        block.get_parameter("downsample.weight")[0, 0, 1, 1] = 1
    decoder.pred.weight.mul_(0.1)
    decoder.pred.weight[0, 0] = 0
    decoder.pred.weight[0, 0, 1, 1] = LOGIT_RANGE
    decoder.pred.get_parameter("bias").fill_(-LOGIT_RANGE / 2)


def isolate(convolution: nn.Module) -> None:
    """Set the first channel of a convolution's result to 0."""
    convolution.get_parameter("weight")[0] = 0
    convolution.get_parameter("bias")[0] = 0


def randomise(encoder: Encoder) -> None:
    """Draw the convolutions (He et al., ICCV 2015); bottlenecks add little to their shortcuts."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, Bottleneck):
            nn.init.constant_(module.bn3.weight, BRANCH_SCALE)


def reserve_channels(encoder: Encoder, count: int) -> None:
    """Let the first channels pass along the shortcuts from `conv1` to f16, separate from all others."""
    encoder.conv1.weight[:count] = 0
    for block in encoder.modules():
        if not isinstance(block, Bottleneck):
            continue
        block.conv1.weight[:, :count] = 0
        block.conv3.weight[:count] = 0
        if block.downsample is not None:
            weight = block.downsample.get_parameter("0.weight")
            weight[:, :count] = 0
            weight[:count] = 0
            weight[range(count), range(count)] = 1


def measure_batch_norm(encoder: RGBEncoder, frames: Tensor) -> Tensor:
    """Set all batch-norm statistics to those of the frames `N x 3 x H x W`; return their f16."""
    layers = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.train().momentum = 1.0  # forget the old statistics
    f16, _, _ = encoder(frames)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.eval().momentum = momentum
        if layer.running_var is not None:
            layer.running_var[layer.running_var == 0] = 1  # reserved channels
    return f16


def copy_encoder(query: RGBEncoder, memory: MaskRGBEncoder) -> None:
    """Copy all weights of the query encoder to the memory encoder; weights that only it has stay."""
    theirs = query.state_dict()
    for name, tensor in memory.state_dict().items():
        if name == "conv1.weight":
            tensor[:, :3].copy_(theirs[name])
        elif (source := theirs.get(name.replace("layer1.", "res2."))) is not None:
            tensor.copy_(source)  # the query encoder has no convolution biases


def start_head(head: nn.Conv2d, feature: Tensor, ignored: int, scale: float = 1.0) -> None:
    """Initialise a head randomly, its channels with mean 0 and standard deviation `scale`.

    Args:
        head: convolution to initialise.
        feature: its input, `N x C x h x w`, by which it is normalised.
        ignored: number of leading channels of the feature whose weights are set to 0.
        scale: standard deviation of the channels of the result.
    """
    weight = torch.randn_like(head.weight) / math.sqrt(head.weight[0].numel())
    weight[:, :ignored] = 0
    std, mean = torch.std_mean(F.conv2d(feature, weight, padding=1), dim=(0, 2, 3))
    std /= scale
    head.load_state_dict({"weight": weight / std.view(-1, 1, 1, 1), "bias": -mean / std})
