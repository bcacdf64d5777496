"""Checks and conversions of the engines' arguments."""

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import normalise
from util.errors import InputError

Array = Tensor | NDArray[Any]

LARGEST_LABEL = torch.iinfo(torch.int32).max  # largest label that a resulting label map can hold
ROUNDING = 1e-3  # tolerance of probabilities outside [0, 1], from resizing or half precision
OPTIONAL = {"top_k", "max_memory_frames", "objects_at_once"}  # counts that may be None, for no limit


def frame_tensor(frame: Array) -> Tensor:
    """Return a frame for `InferenceCore.step` as `3 x H x W` float32; raise InputError for anything else."""
    if isinstance(frame, np.ndarray) and frame.dtype == np.uint8:
        return normalise(frame)
    frame = as_tensor(frame, "a frame")
    if frame.dim() != 3 or len(frame) != 3 or not frame.numel() or not frame.is_floating_point():
        raise InputError(
            f"a frame must be 3 x H x W of normalised float numbers, not {_described(frame)}: "
            "give the result of dataset.image_io.normalise."
        )
    return frame.float()


def given_objects(
    mask: Array | None, labels: Iterable[int] | None, size: tuple[int, int]
) -> tuple[Tensor | None, list[int]]:
    """Return a given mask as a uint8 or int64 label map or as float32 probabilities, and its labels.

    Args:
        mask: see `InferenceCore.step`.
        labels: see `InferenceCore.step`.
        size: (H, W) of the frame.

    Raises:
        InputError: mask or labels are not valid, or do not fit each other or the frame.
    """
    listed = None if labels is None else label_list(labels)
    if mask is None:
        if listed is not None:
            raise InputError("there are labels without a mask: give both, or neither.")
        return None, []
    mask = as_tensor(mask, "a mask")
    if mask.dim() not in (2, 3) or tuple(mask.shape[-2:]) != size or mask.is_complex():
        raise InputError(
            "a mask must be labels H x W or probabilities K x H x W of the size of its frame, "
            f"{size[0]} x {size[1]}, not {_described(mask)}."
        )
    if mask.dim() == 2:
        if mask.is_floating_point():
            raise InputError(f"a label map must be of whole numbers, not {mask.dtype}.")
        mask = mask.byte() if mask.dtype in (torch.bool, torch.uint8) else mask.long()
        found = label_list(label for label in mask.unique().tolist() if label != 0)
        absent = [label for label in listed or () if label not in found]
        if absent:
            raise InputError(f"the mask has no label {absent[0]}, only {found or 'background'}.")
        return mask, found if listed is None else listed
    if listed is None or len(listed) != len(mask):
        raise InputError(f"a mask of {len(mask)} probability channels needs as many labels, not {listed}.")
    mask = mask.float()
    low, high = (number.item() for number in mask.aminmax()) if listed else (0, 0)
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # also for NaN
        raise InputError(
            f"the probabilities of a mask go from {low:g} to {high:g}: they must be from 0 to 1."
        )
    return mask.clamp(0, 1), listed


def label_list(labels: Iterable[int]) -> list[int]:
    """Return labels as a list of different whole numbers above 0; raise InputError for others."""
    try:
        numbers = [operator.index(label) for label in labels]
    except TypeError as error:
        raise InputError(f"labels must be a list of whole numbers, not {labels!r}.") from error
    if len(set(numbers)) < len(numbers) or not all(1 <= number <= LARGEST_LABEL for number in numbers):
        raise InputError(f"labels must be different numbers from 1 to {LARGEST_LABEL}, not {numbers}.")
    return numbers


def check_counts(**counts: Any) -> None:
    """Raise InputError unless each argument is a whole number above 0, or None for no limit."""
    for name, count in counts.items():
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool) and count > 0
        if not (whole or (count is None and name in OPTIONAL)):
            raise InputError(f"{name} must be a whole number above 0, not {count!r}.")


def as_tensor(array: Any, name: str) -> Tensor:
    """Return a tensor unchanged, or a NumPy array as a new tensor; raise InputError for anything else."""
    if isinstance(array, Tensor):
        return array
    try:  # a copy, since views may be reversed, read-only or in another byte order
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
    except (AttributeError, TypeError) as error:
        raise InputError(f"{name} must be a tensor or a NumPy array of numbers.") from error


def _described(tensor: Tensor) -> str:
    return f"{' x '.join(map(str, tensor.shape)) or 'a single number'} of {tensor.dtype}"
