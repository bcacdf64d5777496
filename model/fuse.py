"""Folding of batch norm into the convolutions before it, for inference."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.modules import MaskRGBEncoder, RGBEncoder
from model.network import PropagationNetwork
from model.resnet import Bottleneck


@torch.no_grad()
def fold_batch_norm(network: PropagationNetwork) -> PropagationNetwork:
    """Fold every frozen batch norm into its convolution, in place.

    The result computes the same function with fewer passes over memory. Its state dict is no
    longer that of a checkpoint, so it is for inference alone.

    Args:
        network: in eval mode.

    Returns:
        The network itself.
    """
    for module in network.modules():
        if isinstance(module, RGBEncoder | MaskRGBEncoder):
            _fold(module, "conv1", "bn1")
        elif isinstance(module, Bottleneck):
            for number in (1, 2, 3):
                _fold(module, f"conv{number}", f"bn{number}")
            if module.downsample is not None:
                _fold(module.downsample, "0", "1")
    return network


def _fold(parent: nn.Module, conv: str, batch_norm: str) -> None:
    folded = fuse_conv_bn_eval(getattr(parent, conv), getattr(parent, batch_norm))
    setattr(parent, conv, folded)
    setattr(parent, batch_norm, nn.Identity())
