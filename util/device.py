"""The device of a run, and how precisely it computes."""

import argparse
from collections.abc import Callable
from typing import Protocol

import torch

from util.errors import InputError

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "reduced")


def add_device_flag(add: Callable[..., object]) -> None:
    """Add `--device`; `add` is a parser's or group's `add_argument`."""
    add("--device", choices=DEVICES, default="auto", help="default: a GPU when there is one")


def add_device_flags(add: Callable[..., object]) -> None:
    """Add all flags that `set_up_device` reads, for scripts that run the network."""
    add_device_flag(add)
    add("--no_tf32", action="store_true", help="on a GPU: convolve in full float32, which is slower")


def add_precision_flags(add: Callable[..., object], default: str) -> None:
    """Add `--precision`, one of `PRECISIONS` by default, and `--amp`, its short form."""
    add(
        "--precision",
        choices=PRECISIONS,
        default=default,
        help="reduced: bfloat16, or float16 on older GPUs; auto: the quicker by a trial, float32 on GPUs "
        "(default: %(default)s)",
    )
    add(
        "--amp",
        dest="precision",
        action="store_const",
        const="reduced",
        help="the same as --precision reduced",
    )


class DeviceFlags(Protocol):
    """What the flags of `add_device_flags` say, where it does not come from a parser."""

    @property
    def device(self) -> str:
        """One of `DEVICES`."""

    @property
    def no_tf32(self) -> bool:
        """Convolve in full float32."""


def set_up_device(args: argparse.Namespace | DeviceFlags) -> torch.device:
    """Set up and return the device of the flags: auto is CUDA when there is a usable GPU, else the CPU.

    Raises:
        InputError: there is no such device.
    """
    if args.device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch finds no usable GPU here; use --device cpu or auto.")
    allow_tf32(not args.no_tf32)
    if args.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(args.device)


def usable_device(device: torch.device | str) -> torch.device:
    """Return a device by its name.

    Raises:
        InputError: there is none of this name here.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:  # PyTorch has no error type of its own for it
        raise InputError(
            f"there is no device {device!r} here: give 'cpu', or 'cuda' where PyTorch finds a GPU."
        ) from error


def allow_tf32(convolutions: bool, products: bool = False) -> None:
    """Say where GPUs may round float32 factors to the 11 significant bits of TF32, for this whole process.

    By default matrix products stay in float32: the memory read compares them to find the top k.
    """
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cuda.matmul.allow_tf32 = products


def amp_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype of reduced precision: bfloat16 on CPUs and newer GPUs, float16 on GPUs without it."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16
