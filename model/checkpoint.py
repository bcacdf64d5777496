"""Reading and writing weights.

Files are a plain state dict (the published checkpoints and our network files) or hold one somewhere within:
our training checkpoints under "network", those of others under "state_dict", "model" or any other name.
"""

import logging
from collections import deque
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

log = logging.getLogger(__name__)

Network = TypeVar("Network", bound=nn.Module)


class Kind(NamedTuple):
    """One of the three networks, as error messages call it."""

    title: str
    flag: str  # what its file is given by
    sign: str  # an entry that no other network has


KINDS: dict[type[nn.Module], Kind] = {
    PropagationNetwork: Kind("propagation network", "--model", "kv_m_f16.key_proj.weight"),
    S2MNetwork: Kind("scribble-to-mask network", "--s2m", "classifier.aspp.project.0.weight"),
    FusionNetwork: Kind("fusion network", "--fusion", "final_conv.weight"),
}

MASK_CONV = "mask_rgb_encoder.conv1.weight"  # 64 x 5 x 7 x 7, 4 input channels for single-object
WRAPPERS = {"module", "_orig_mod"}  # what DataParallel and torch.compile add to names, anywhere
BATCHES = "num_batches_tracked"  # of batch norm; inference needs none, and PyTorch before 0.4.1 wrote none
LISTED = 4  # names listed in an error message before "and N more"


def network_state(content: dict[str, Any]) -> dict[str, Tensor]:
    """Return the network's state dict of a loaded file, in float32 and under its public names.

    It is whatever dict within the content has the most tensors, the outermost of equals. Where others have
    as many under the same names, such as their moving mean, a warning says which was taken.
    """
    found = _tensors_within(content)
    place, state = max(found.items(), key=lambda each: len(each[1]))
    state = _public_names(state)
    others = {other: _public_names(tensors) for other, tensors in found.items() if other != place}
    twins = [other for other, tensors in others.items() if tensors.keys() == state.keys()]
    if twins and state:
        log.warning("weights under %s are taken; there are others under %s.", place, ", ".join(twins))
    return {name: value.float() if torch.is_floating_point(value) else value for name, value in state.items()}


def _tensors_within(content: dict[Any, Any]) -> dict[str, dict[str, Tensor]]:
    """Return the tensors that lie directly in each dict of a content, by the way to it, outermost first."""
    found: dict[str, dict[str, Tensor]] = {}
    seen = {id(content)}  # a hostile file can lead in circles
    waiting = deque([("the top", content)])
    while waiting:
        place, here = waiting.popleft()
        found[place] = {str(name): value for name, value in here.items() if isinstance(value, Tensor)}
        for name, value in here.items():
            if isinstance(value, dict) and id(value) not in seen:
                seen.add(id(value))
                waiting.append((f"{place} / {name!r}", value))
    return found


def _public_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict without what wrappers put before or into its names.

    Names of a whole network do not all begin alike, so that a part before which all do is that of a wrapper,
    whatever its name.
    """
    parts = {name: [part for part in name.split(".") if part not in WRAPPERS] for name in state}
    while len(parts) > 1 and all(len(each) > 1 for each in parts.values()):
        if len({each[0] for each in parts.values()}) > 1:
            break
        parts = {name: each[1:] for name, each in parts.items()}
    return {".".join(parts[name]): tensor for name, tensor in state.items()}


def load_state(network: nn.Module, state: dict[str, Tensor], source: str | Path) -> None:
    """Load a state dict with strict names and shapes.

    Args:
        network: one of `KINDS`, changed in place, only if everything fits.
        state: name -> tensor.
        source: where the state dict is from, for the error message.

    Raises:
        InputError: it is of another network; or names the missing, unexpected, mis-shaped and mis-typed
            entries, or those with numbers that are not finite.
    """
    wanted = KINDS[type(network)]
    if wanted.sign not in state:
        for kind in KINDS.values():
            if kind.sign in state:
                raise InputError(
                    f"{source} is of the {kind.title}, which is given as {kind.flag}: give weights of the "
                    f"{wanted.title} here."
                )
    own = network.state_dict()
    state = {name: torch.tensor(0) for name in own if name.endswith(BATCHES)} | state
    shared = [(name, state[name], tensor) for name, tensor in own.items() if name in state]
    faults = {
        "missing": [name for name in own if name not in state],
        "unexpected": [name for name in state if name not in own],
        "mis-shaped": [
            f"{name} {tuple(theirs.shape)} instead of {tuple(ours.shape)}"
            for name, theirs, ours in shared
            if theirs.shape != ours.shape
        ],
        "mis-typed": [
            f"{name} {theirs.dtype} instead of {ours.dtype}"
            for name, theirs, ours in shared
            if (theirs.dtype, theirs.layout) != (ours.dtype, ours.layout)
        ],
    }
    complaints = [
        f"{len(names)} {kind}: {', '.join(names[:LISTED])}{', ...' * (len(names) > LISTED)}"
        for kind, names in faults.items()
        if names
    ]
    if complaints:
        raise InputError(
            f"{source} does not fit the {wanted.title} ({'; '.join(complaints)}): "
            "give weights of this network."
        )
    # by the least and the greatest number, which are NaN if any is: quicker than to look at each
    broken = [name for name, tensor in state.items() if not torch.stack(tensor.aminmax()).isfinite().all()]
    if broken:
        raise InputError(
            f"{source} holds numbers that are not finite in {len(broken)} entries ({broken[0]}, ...): "
            "its training went wrong, or it is damaged; take an earlier file or fetch it again."
        )
    network.load_state_dict(state, assign=next(network.parameters()).is_meta)


def is_single_object(state: dict[str, Tensor]) -> bool:
    """Tell whether a state dict is of the single-object variant."""
    return MASK_CONV in state and state[MASK_CONV].shape[1] == 4


def to_two_objects(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a copy of a single-object state dict with an orthogonal fifth input channel."""
    weight = state[MASK_CONV]
    extra = orthogonal_channels(1).to(weight)
    return {**state, MASK_CONV: torch.cat([weight, extra], dim=1)}


def read_network(path: str | Path) -> PropagationNetwork:
    """Read a network as it was trained; the variant (single-object or not) is read off the file.

    Args:
        path: a published checkpoint, or a network or checkpoint file of our own training.

    Raises:
        InputError: the file cannot be read or does not fit.
    """
    state = network_state(load_file(path))
    return _with_state(lambda: PropagationNetwork(single_object=is_single_object(state)), state, path)


def read_s2m(path: str | Path) -> S2MNetwork:
    """Read a scribble-to-mask network as it was trained; arguments and errors as of `read_network`."""
    return _with_state(S2MNetwork, network_state(load_file(path)), path)


def read_fusion(path: str | Path) -> FusionNetwork:
    """Read a fusion network as it was trained; arguments and errors as of `read_network`."""
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
    """Load a network for inference.

    Args:
        path: as for `read_network`.
        device: where the network shall live.
        amp: compute in reduced precision, see `util.device.amp_dtype`.

    Returns:
        The network as `model.fast_inference.preparation` prepares it.

    Raises:
        InputError: there is no such device, or the file cannot be read or does not fit.
    """
    return prepare_for_inference(read_network(path), usable_device(device), amp)


def load_s2m(path: str | Path, device: torch.device | str = "cpu", amp: bool = False) -> S2MNetwork:
    """Load a scribble-to-mask network for inference; arguments and errors as of `load_network`."""
    return prepare_for_inference(read_s2m(path), usable_device(device), amp)


def load_fusion(path: str | Path, device: torch.device | str = "cpu", amp: bool = False) -> FusionNetwork:
    """Load a fusion network for inference; arguments and errors as of `load_network`."""
    return prepare_for_inference(read_fusion(path), usable_device(device), amp)


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Load a file into a network that is to be trained; single-object weights fit either variant.

    Raises:
        InputError: the file cannot be read or does not fit.
    """
    state = network_state(load_file(path))
    if is_single_object(state) and isinstance(network, PropagationNetwork) and not network.single_object:
        state = to_two_objects(state)
    load_state(network, state, path)


def save_checkpoint(content: dict[str, Any], path: str | Path) -> None:
    """Write a state dict or checkpoint; the file appears whole or not at all."""
    path = Path(path)
    with atomic_path(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # how PyTorch says that a write failed
            raise OSError(f"{path} could not be written (is the disk full?): make room for it.") from error
