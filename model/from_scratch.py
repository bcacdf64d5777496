"""The start of a network that has no weights to start from, fitted to a few samples.

Batch norm is frozen throughout training; its statistics are those of ImageNet when the encoders are.
Those of random encoders have to be measured. And attention has to begin somewhere: the keys of two
different random encoders have nothing in common, and a memory that is read everywhere alike teaches
little. So both encoders start as the same function, and both keys as the same projection, centred and
of unit variance: to begin with, memory is found where texture is alike, sharply enough for top-k. In
the manner of data-dependent initialisation (Krähenbühl et al., ICLR 2016).
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.modules import MaskRGBEncoder, RGBEncoder, cat_frame_and_masks
from model.network import PropagationNetwork
from model.resnet import Bottleneck

BRANCH_SCALE = 0.3  # of what a bottleneck adds to its shortcut


@torch.no_grad()
def initialise_from_scratch(network: PropagationNetwork, batch: dict[str, Any]) -> None:
    """Initialise the encoders and the key and value heads in place; the decoder stays as it was made.

    Args:
        network: on the device of the batch.
        batch: samples to normalise on, as `Trainer.step` takes them.
    """
    frames = batch["rgb"].flatten(0, 1)  # N x 3 x H x W, N = samples * 3
    masks = torch.cat([batch[name] for name in ("gt", "sec_gt") if name in batch], dim=2).flatten(0, 1)
    query, memory = network.rgb_encoder, network.mask_rgb_encoder
    for module in (*query.modules(), *memory.modules()):
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, Bottleneck):
            nn.init.constant_(module.bn3.weight, BRANCH_SCALE)

    query_f16 = measure_batch_norm(query, frames)
    copy_encoder(query, memory)
    memory_f16 = memory(cat_frame_and_masks(frames, masks, network.single_object))

    query_head, memory_head = network.kv_q_f16, network.kv_m_f16
    start_head(query_head.key_proj, query_f16)
    memory_head.key_proj.load_state_dict(query_head.key_proj.state_dict())
    start_head(query_head.val_proj, query_f16)
    start_head(memory_head.val_proj, memory_f16)


def measure_batch_norm(encoder: RGBEncoder, frames: Tensor) -> Tensor:
    """Set all batch-norm statistics to those of these frames `N x 3 x H x W`; return their f16."""
    layers = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = [layer.momentum for layer in layers]
    for layer in layers:
        layer.train()
        layer.momentum = 1.0  # nothing is left of the old statistics
    f16, _, _ = encoder(frames)
    for layer, momentum in zip(layers, usual, strict=True):
        layer.eval()
        layer.momentum = momentum
    return f16


def copy_encoder(query: RGBEncoder, memory: MaskRGBEncoder) -> None:
    """Give the memory encoder all that the query encoder has; what it has beyond that stays."""
    theirs = query.state_dict()
    for name, tensor in memory.state_dict().items():
        if name == "conv1.weight":
            tensor[:, :3].copy_(theirs[name])
        elif (source := theirs.get(name.replace("layer1.", "res2."))) is not None:
            tensor.copy_(source)  # the query encoder has no convolution biases


def start_head(head: nn.Conv2d, feature: Tensor) -> None:
    """Make a head random, each channel with mean 0 and variance 1 over a feature `N x C x h x w`."""
    weight = torch.randn_like(head.weight) / math.sqrt(head.weight[0].numel())
    std, mean = torch.std_mean(F.conv2d(feature, weight, padding=1), dim=(0, 2, 3))
    head.load_state_dict({"weight": weight / std.view(-1, 1, 1, 1), "bias": -mean / std})
