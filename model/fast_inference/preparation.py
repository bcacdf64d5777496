"""What makes a trained network quick: the same function in fewer and cheaper steps, for inference alone."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.fast_inference.winograd import use_winograd
from model.modules import MaskRGBEncoder, RGBEncoder
from model.network import PropagationNetwork
from model.resnet import Bottleneck
from util.device import amp_dtype, has_matrix_unit


@torch.no_grad()
def prepare_for_inference(
    network: PropagationNetwork, device: torch.device, amp: bool = False
) -> PropagationNetwork:
    """Prepare a network in place; its state dict is no longer that of a checkpoint.

    Batch norm is folded into convolutions, features have their channels last, and on a CPU the wide
    convolutions are computed by Winograd's way. Not so where bfloat16 products of whole matrices are
    instructions of their own (AMX), beside which Winograd's sums would be dear.

    Args:
        network: with its weights, in float32.
        device: to move it to.
        amp: compute in reduced precision, weights included.

    Returns:
        The network itself, in eval mode; its parameters need no gradients, which it could not give.
    """
    dtype = amp_dtype(device) if amp else network.dtype
    fold_batch_norm(network.eval().requires_grad_(False))
    if device.type == "cpu" and not (amp and has_matrix_unit()):
        use_winograd(network, dtype)
    return network.to(device, dtype).to(memory_format=torch.channels_last)


@torch.no_grad()
def fold_batch_norm(network: PropagationNetwork) -> PropagationNetwork:
    """Fold every frozen batch norm into its convolution, in place.

    Args:
        network: in eval mode.

    Returns:
        The network itself, which computes the same function with fewer passes over memory.
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
