"""Loading and saving weights.

A file is a plain state dict (the published checkpoints and our network files), or holds one under "network"
(our training checkpoints and the original's), "state_dict" or "model" (files of other programs).
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
from util.device import usable_device
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
PLACES = ("network", "state_dict", "model")  # names under which files hold a state dict
WRAPPERS = {"module", "_orig_mod"}  # parts that DataParallel and torch.compile add to the names of weights
LISTED = 4  # names that an error message lists at most


def network_state(content: dict[str, Any]) -> dict[str, Tensor]:
    """Return the network's state dict from a loaded file, in float32, without `WRAPPERS` in its names."""
    state = next((content[place] for place in PLACES if isinstance(content.get(place), dict)), content)
    return {
        ".".join(part for part in str(name).split(".") if part not in WRAPPERS): (
            value.float() if value.is_floating_point() else value
        )
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
        InputError: the weights belong to another network; or some are missing, unexpected, not finite, or of
            another shape or type. The message names them.
    """
    wanted, own = KINDS[type(network)], network.state_dict()
    others = [kind for kind in KINDS.values() if kind.sign in state]
    if others and wanted not in others:
        raise InputError(
            f"{source} is of the {others[0].title}, which is given as {others[0].flag}: give weights of the "
            f"{wanted.title} here."
        )
    faults = {
        "missing": [name for name in own if name not in state],
        "unexpected": [name for name in state if name not in own],
        "different": [
            f"{name} {_form(state[name])} instead of {_form(tensor)}"
            for name, tensor in own.items()
            if name in state and _form(state[name]) != _form(tensor)
        ],
    }
    complaints = [
        f"{len(names)} {fault}: {', '.join(names[:LISTED])}{', ...' * (len(names) > LISTED)}"
        for fault, names in faults.items()
        if names
    ]
    if complaints:
        raise InputError(
            f"{source} does not fit the {wanted.title} ({'; '.join(complaints)}): "
            "give weights of this network."
        )
    # the smallest and the largest number are NaN if any number is: quicker than to test each
    broken = [name for name, tensor in state.items() if not torch.stack(tensor.aminmax()).isfinite().all()]
    if broken:
        raise InputError(
            f"{source} holds numbers that are not finite in {len(broken)} entries ({broken[0]}, ...): "
            "its training went wrong, or it is damaged; take an earlier file or fetch it again."
        )
    network.load_state_dict(state, assign=next(network.parameters()).is_meta)


def _form(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def is_single_object(state: dict[str, Tensor]) -> bool:
    """Return whether a state dict belongs to the single-object variant."""
    return MASK_CONV in state and state[MASK_CONV].shape[1] == 4


def to_two_objects(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a copy of a single-object state dict with an orthogonal fifth input channel."""
    weight = state[MASK_CONV]
    extra = orthogonal_channels(1).to(weight)
    return {**state, MASK_CONV: torch.cat([weight, extra], dim=1)}


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
    return prepare_for_inference(read_network(path), usable_device(device), amp)


def load_s2m(path: str | Path, device: torch.device | str = "cpu", amp: bool = False) -> S2MNetwork:
    """Load a scribble-to-mask network for inference, see `load_network`."""
    return prepare_for_inference(read_s2m(path), usable_device(device), amp)


def load_fusion(path: str | Path, device: torch.device | str = "cpu", amp: bool = False) -> FusionNetwork:
    """Load a fusion network for inference, see `load_network`."""
    return prepare_for_inference(read_fusion(path), usable_device(device), amp)


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Load a file into a network for training; single-object weights fit both variants.

    Raises:
        InputError: the file cannot be read or does not fit.
    """
    state = network_state(load_file(path))
    if is_single_object(state) and isinstance(network, PropagationNetwork) and not network.single_object:
        state = to_two_objects(state)
    load_state(network, state, path)


def save_checkpoint(content: dict[str, Any], path: str | Path) -> None:
    """Write a state dict or checkpoint atomically."""
    path = Path(path)
    with atomic_path(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # PyTorch raises it when a write fails
            raise OSError(f"{path} could not be written (is the disk full?): make room for it.") from error
