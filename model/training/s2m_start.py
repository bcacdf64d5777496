"""Initialisation of the scribble-to-mask network from DeepLabV3+."""

from pathlib import Path

import torch
from torch import Tensor, nn

from model.checkpoint import load_file
from model.interactive.s2m import INPUTS, S2MNetwork
from model.resnet import orthogonal_channels
from util.errors import InputError

FIRST, LAST = "backbone.conv1.weight", "classifier.classifier.3"
COLOURS = 3


@torch.no_grad()
def start_from_deeplab(network: S2MNetwork, path: Path) -> None:
    """Load the public DeepLabV3+ ResNet-50 of Pascal VOC (VainF's); raise InputError for another file.

    Input channels beyond RGB and the last layer are initialised orthogonally; the last bias is 0.
    """
    content = load_file(path).get("model_state")
    state: dict[str, Tensor] = content if isinstance(content, dict) else {}
    own = network.state_dict()
    kept = {name for name in own if name != FIRST and not name.startswith(LAST)}
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    shapes[FIRST] = (shapes[FIRST][0], COLOURS, *shapes[FIRST][2:])
    if not all(name in state and tuple(state[name].shape) == shapes[name] for name in (*kept, FIRST)):
        raise InputError(
            f"{path} is not the public DeepLabV3+ checkpoint of a ResNet-50 with output stride 16 "
            '({"model_state": ...}): give that file, or --load_network for weights of S2M itself.'
        )
    for name in kept:
        own[name].copy_(state[name])  # the state dict shares its storage with the network
    own[FIRST][:, :COLOURS].copy_(state[FIRST])
    own[FIRST][:, COLOURS:].copy_(orthogonal_channels(INPUTS - COLOURS))
    nn.init.orthogonal_(own[f"{LAST}.weight"])
    nn.init.zeros_(own[f"{LAST}.bias"])
