"""Loading and saving weights.

A file is a plain state dict (the published checkpoints and our network files), or holds one under "network"
(our training checkpoints and the original's).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from model.checkpoint_file import load_file
from model.fast_inference.preparation import prepare_for_inference
from model.interactive.fusion import FusionNetwork
from model.interactive.s2m import S2MNetwork
from model.network import PropagationNetwork
from model.resnet import orthogonal_channels
from util.device import check_device
from util.errors import InputError
from util.files import atomic_path

Network = TypeVar("Network", bound=nn.Module)


class Kind(NamedTuple):
    """One of the three networks, for error messages."""

    title: str
    flag: str  # flag that takes its weights
    sign: str  # name of a weight that no other network has


KINDS: dict[type[nn.Module], Kind] = {
    PropagationNetwork: Kind("propagation network", "--model", "kv_m_f16.key_proj.weight"),
    S2MNetwork: Kind("scribble-to-mask network", "--s2m", "classifier.aspp.project.0.weight"),
    FusionNetwork: Kind("fusion network", "--fusion", "final_conv.weight"),
}

MASK_CONV = "mask_rgb_encoder.conv1.weight"  # 64 x 5 x 7 x 7, 4 input channels for single-object


def network_state(content: dict[str, Any]) -> dict[str, Tensor]:
    """Return the network's state dict from a loaded file, in float32, without the prefix of DataParallel."""
    state = content["network"] if isinstance(content.get("network"), dict) else content
    return {
        str(name).removeprefix("module."): value.float() if value.is_floating_point() else value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }


def load_state(network: nn.Module, state: dict[str, Tensor], source: str | Path) -> None:
    """Load a state dict with strict names and shapes.

    Args:
        network: one of `KINDS`; it changes only if every weight fits.
        state: weights by name.
        source: path of the weights, for the error message.

    Raises:
        InputError: the weights belong to another network, or some are missing, unexpected, or of another
            shape or type.
    """
    wanted, own = KINDS[type(network)], network.state_dict()
    others = [kind for kind in KINDS.values() if kind.sign in state]
    if others and wanted not in others:
        raise InputError(
            f"{source} holds weights of the {others[0].title} (flag {others[0].flag}): give weights of the "
            f"{wanted.title} here."
        )
    ours, theirs = (
        {(name, tensor.shape, tensor.dtype) for name, tensor in each.items()} for each in (own, state)
    )
    strange = sorted({name for name, *_ in ours ^ theirs})
    if strange:
        raise InputError(
            f"{source} does not fit the {wanted.title}: {len(strange)} weights are missing, unexpected or of "
            f"another shape or type ({', '.join(strange[:3])}, ...); give weights of this network."
        )
    network.load_state_dict(state, assign=next(network.parameters()).is_meta)


def is_single_object(state: dict[str, Tensor]) -> bool:
    """Return whether a state dict belongs to the single-object variant."""
    return MASK_CONV in state and state[MASK_CONV].shape[1] == 4


def read_network(path: str | Path) -> PropagationNetwork:
    """Load a propagation network as it was trained; the file decides whether it is the single-object variant.

    Raises:
        InputError: the file cannot be read or does not fit.
    """
    state = network_state(load_file(path))
    return _with_state(lambda: PropagationNetwork(single_object=is_single_object(state)), state, path)


def read_s2m(path: str | Path) -> S2MNetwork:
    """Load a scribble-to-mask network as it was trained; raise InputError as `read_network` does."""
    return _with_state(S2MNetwork, network_state(load_file(path)), path)


def read_fusion(path: str | Path) -> FusionNetwork:
    """Load a fusion network as it was trained; raise InputError as `read_network` does."""
    return _with_state(FusionNetwork, network_state(load_file(path)), path)


def _with_state(build: Callable[[], Network], state: dict[str, Tensor], source: str | Path) -> Network:
    """Return a new network with a loaded state."""
    with torch.device("meta"):  # no storage and no random numbers: the loaded tensors become the parameters
        network = build()
    load_state(network, state, source)
    return network


def load_network(
    path: str | Path, device: torch.device | str = "cpu", amp: bool = False
) -> PropagationNetwork:
    """Load a propagation network for inference, prepared by `model.fast_inference.preparation`.

    Args:
        path: path of the weights.
        device: device to compute on.
        amp: whether to compute in reduced precision, see `util.device.amp_dtype`.

    Raises:
        InputError: the device does not exist, or the file cannot be read or does not fit.
    """
    return prepare_for_inference(read_network(path), check_device(device), amp)


def load_s2m(path: str | Path, device: torch.device | str = "cpu", amp: bool = False) -> S2MNetwork:
    """Load a scribble-to-mask network for inference, see `load_network`."""
    return prepare_for_inference(read_s2m(path), check_device(device), amp)


def load_fusion(path: str | Path, device: torch.device | str = "cpu", amp: bool = False) -> FusionNetwork:
    """Load a fusion network for inference, see `load_network`."""
    return prepare_for_inference(read_fusion(path), check_device(device), amp)


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Load a file into a network for training; single-object weights fit both variants.

    The fifth input channel, which they lack, is orthogonal.

    Raises:
        InputError: the file cannot be read or does not fit.
    """
    state = network_state(load_file(path))
    if is_single_object(state) and isinstance(network, PropagationNetwork) and not network.single_object:
        state[MASK_CONV] = torch.cat([state[MASK_CONV], orthogonal_channels(1)], dim=1)
    load_state(network, state, path)


def save_checkpoint(content: dict[str, Any], path: str | Path) -> None:
    """Write a state dict or checkpoint atomically."""
    path = Path(path)
    with atomic_path(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # PyTorch raises it when a write fails
            raise OSError(f"{path} could not be written (is the disk full?): make room for it.") from error
