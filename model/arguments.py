"""What callers give the engine: brought into one form, or refused before anything has changed."""

import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dataset.image_io import normalise
from model.interactive.fusion import FusionNetwork
from util.errors import InputError

Array = Tensor | NDArray[Any]

LARGEST_LABEL = torch.iinfo(torch.int32).max  # what a label map of the results can hold
ROUNDING = 1e-3  # by so much a probability may lie outside [0, 1], as resizing or half precision leave it


def frame_tensor(frame: Array) -> Tensor:
    """Return a frame as the network takes it, `3 x H x W` float32.

    Args:
        frame: `3 x H x W`, float, normalised; or an RGB picture as a NumPy array `H x W x 3`, uint8, which is
            normalised here.

    Raises:
        InputError: it is something else.
    """
    if isinstance(frame, np.ndarray) and frame.dtype == np.uint8:
        return normalise(frame)
    frame = as_tensor(frame, "a frame")
    if frame.dim() != 3 or frame.shape[0] != 3 or not frame.numel():
        raise InputError(f"a frame must be 3 x H x W, not {_shape(frame)}.")
    if not frame.is_floating_point():
        raise InputError(
            f"a frame must be of normalised float numbers, not {frame.dtype}: "
            "give what dataset.image_io.normalise makes of the picture."
        )
    return frame.float()


def given_objects(
    mask: Array | None, labels: Iterable[int] | None, size: tuple[int, int]
) -> tuple[Tensor | None, list[int]]:
    """Return a mask, and the labels of the objects that it gives.

    Args:
        mask: a label map `H x W` (integer or bool), or probabilities `K x H x W` (float, or 0 and 1).
        labels: of the objects, as for `InferenceCore.step`.
        size: (H, W) of the frame.

    Returns:
        A label map in uint8 or int64 or probabilities in float32, None where there is no mask, and labels.

    Raises:
        InputError: the mask or the labels cannot be used, or do not fit each other or the frame.
    """
    if mask is None:
        if labels is not None:
            raise InputError("there are labels, but no mask that they belong to: give both, or neither.")
        return None, []
    mask = as_tensor(mask, "a mask")
    if mask.dim() not in (2, 3):
        raise InputError(f"a mask must be H x W labels or K x H x W probabilities, not {_shape(mask)}.")
    if tuple(mask.shape[-2:]) != size:
        raise InputError(
            f"a mask is {mask.shape[-1]} x {mask.shape[-2]}, its frame {size[1]} x {size[0]}; "
            "they must have the same size."
        )
    listed = None if labels is None else label_list(labels)
    return _label_map(mask, listed) if mask.dim() == 2 else _probabilities(mask, listed)


def _label_map(mask: Tensor, listed: list[int] | None) -> tuple[Tensor, list[int]]:
    if mask.is_floating_point() or mask.is_complex():
        raise InputError(
            f"a label map H x W must be of whole numbers, not {mask.dtype}; "
            "probabilities are K x H x W, with K labels."
        )
    mask = mask.byte() if mask.dtype == torch.bool else mask
    mask = mask if mask.dtype == torch.uint8 else mask.long()
    found = [label for label in mask.unique().tolist() if label != 0]
    for label in (*found[:1], *found[-1:]):
        _check_label(label)
    absent = [label for label in listed or () if label not in found]
    if absent:
        raise InputError(
            f"the mask has no label {', '.join(map(str, absent))}, only {found or 'background'}: list labels "
            "that it has; that an object is gone is said by probabilities of zero."
        )
    return mask, found if listed is None else listed


def _probabilities(mask: Tensor, listed: list[int] | None) -> tuple[Tensor, list[int]]:
    if listed is None or len(listed) != mask.shape[0]:
        raise InputError(
            f"a mask of {mask.shape[0]} probability channels needs as many labels, not {listed}."
        )
    if mask.is_complex():
        raise InputError(f"probabilities must be real numbers, not {mask.dtype}.")
    mask = mask.float()
    low, high = (number.item() for number in mask.aminmax()) if listed else (0, 0)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError("the probabilities of a mask are not all finite: give numbers from 0 to 1.")
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise InputError(
            f"the probabilities of a mask go from {low:g} to {high:g}: bring them to 0 to 1 "
            "(a map of labels is H x W)."
        )
    return mask.clamp(0, 1) if low < 0 or high > 1 else mask, listed


def label_list(labels: Iterable[int]) -> list[int]:
    """Return labels as a list of different whole numbers above 0; raise InputError for others."""
    try:
        numbers = [operator.index(label) for label in labels]
    except TypeError as error:
        raise InputError(f"labels must be a list of whole numbers, not {labels!r}.") from error
    for number in numbers:
        _check_label(number)
    if len(set(numbers)) < len(numbers):
        raise InputError(f"a label is listed twice in {numbers}: list each object once.")
    return numbers


def _check_label(label: int) -> None:
    if not 1 <= label <= LARGEST_LABEL:
        raise InputError(
            f"there is a label {label}: objects have labels from 1 to {LARGEST_LABEL}, the background has 0."
        )


def check_network(network: Any) -> None:
    """Raise InputError unless this is a network."""
    if not (isinstance(network, nn.Module) and hasattr(network, "encode_memory")):
        raise InputError(
            f"the engine needs a network, not a {type(network).__name__}: "
            "give what model.load_network(path) returns."
        )


def check_fusion(network: Any) -> None:
    """Raise InputError unless this is a fusion network, or None."""
    if network is not None and not isinstance(network, FusionNetwork):
        raise InputError(
            f"the engine fuses by a FusionNetwork, not a {type(network).__name__}: "
            "give what model.load_fusion(path) returns."
        )


def check_counts(**counts: Any) -> None:
    """Raise InputError, which names it, unless each is a whole number above 0, or None."""
    for name, count in counts.items():
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if count is not None and not (whole and count > 0):
            raise InputError(f"{name} must be a whole number above 0, not {count!r}.")


def check_needed(**counts: Any) -> None:
    """Raise InputError, which names it, unless each is a whole number above 0."""
    for name, count in counts.items():
        if count is None:
            raise InputError(f"{name} must be a whole number above 0, not None.")
    check_counts(**counts)


def check_positive(**numbers: Any) -> None:
    """Raise InputError, which names it, unless each is a finite number above 0, or None."""
    for name, number in numbers.items():
        real = isinstance(number, float | int | np.number) and not isinstance(number, bool)
        if number is not None and not (real and 0 < number < math.inf):
            raise InputError(f"{name} must be a finite number above 0, not {number!r}.")


def check_result(prob: Array, count: int, size: Any) -> Tensor:
    """Return the result of a step as a tensor, fit to be turned into labels.

    Args:
        prob: `(K+1) x h x w`.
        count: K.
        size: (H, W) to resize to, or None.

    Raises:
        InputError: the result is of other objects or no result, or the size is none.
    """
    prob = as_tensor(prob, "a result")
    if prob.dim() != 3 or not prob.is_floating_point():
        raise InputError(f"a result must be (K+1) x h x w floats, not {_shape(prob)} of {prob.dtype}.")
    if prob.shape[0] != count + 1:
        raise InputError(
            f"a result of {prob.shape[0]} channels is not of the background and {count} objects: "
            "turn it into labels before objects come or are removed."
        )
    if size is not None:
        try:
            height, width = size
        except (TypeError, ValueError) as error:
            raise InputError(f"a size must be (height, width), not {size!r}.") from error
        for number in (height, width):
            if number is None:
                raise InputError(f"a size must be (height, width), not {size!r}.")
            check_counts(size=number)
    return prob


def as_tensor(array: Any, name: str) -> Tensor:
    """Return a tensor as it is, a NumPy array as a new tensor; raise InputError for all else."""
    if isinstance(array, Tensor):
        return array
    if not isinstance(array, np.ndarray):
        raise InputError(f"{name} must be a tensor or a NumPy array, not {type(array).__name__}.")
    try:
        # a copy: views may be reversed, read-only or of another byte order
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
    except TypeError as error:
        raise InputError(f"{name} must be of numbers, not {array.dtype}.") from error


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a single number"
