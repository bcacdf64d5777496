"""Installs the faster implementations in a network: no other file replaces parts of plain PyTorch."""

from itertools import pairwise
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.fast_inference.cuda_graphs import replay_on_gpu
from model.fast_inference.fused_blocks import fuse_blocks, fuses
from model.fast_inference.precision import uses_winograd
from model.network import PropagationNetwork
from util.device import amp_dtype

Network = TypeVar("Network", bound=nn.Module)


@torch.no_grad()
def prepare_for_inference(network: Network, device: torch.device, amp: bool = False) -> Network:
    """Prepare a network for inference in place, and return it in eval mode, without gradients.

    Its state dict is no longer that of a checkpoint: batch norm is folded into convolutions. Features have
    their channels last. On a CPU the memory is read by compiled code, and wide convolutions use Winograd's
    minimal filtering (in bfloat16 unless a trial finds direct convolutions quicker). On a GPU bias and ReLU
    are fused into convolutions, and calls are replayed as CUDA graphs.

    Args:
        network: network with its weights, in float32.
        device: device to compute on.
        amp: whether to compute in reduced precision; the weights are converted, too.
    """
    dtype = amp_dtype(device) if amp else next(network.parameters()).dtype
    fold_batch_norm(network.eval().requires_grad_(False))
    if device.type == "cpu":  # Numba is imported only where it is used: that takes time
        from model.fast_inference.top_k_read import fastest_read
        from model.fast_inference.winograd import use_winograd

        if isinstance(network, PropagationNetwork):
            network.read_memory = fastest_read
        if uses_winograd(dtype):
            use_winograd(network, dtype)
    network.to(device, dtype).to(memory_format=torch.channels_last)
    if device.type == "cuda":
        if fuses(device, dtype):
            fuse_blocks(network)
        replay_on_gpu(network)
    return network


def quicken_training(network: nn.Module, device: torch.device) -> None:
    """Use Winograd convolutions in float32 training steps on a CPU; names of weights stay."""
    if device.type == "cpu":
        from model.fast_inference.winograd_steps import use_winograd_in_training

        use_winograd_in_training(network)


@torch.no_grad()
def fold_batch_norm(network: Network) -> Network:
    """Fold every batch norm of a network in eval mode into its convolution, in place; return the network.

    A batch norm belongs to the convolution directly before it in the same parent, as in all networks here and
    in torchvision's.
    """
    for parent in list(network.modules()):
        for (conv_name, conv), (norm_name, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(parent, norm_name, nn.Identity())
    return network
