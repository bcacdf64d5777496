"""The device that a run computes on, and its precision."""

from collections.abc import Callable

import torch

from util.errors import InputError

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "reduced")
REDUCED = "bfloat16, or float16 on older GPUs"
AMP_HELP = f"reduced precision: {REDUCED}"


def add_device_flag(add: Callable[..., object]) -> None:
    """Add `--device`; `add` is a parser's or group's `add_argument`."""
    add(
        "--device", choices=DEVICES, default="auto", help="auto: a GPU if there is one (default: %(default)s)"
    )


def add_device_flags(add: Callable[..., object]) -> None:
    """Add `--device` and `--no_tf32`, for scripts that run a network."""
    add_device_flag(add)
    add("--no_tf32", action="store_true", help="on a GPU: convolutions in full float32, which is slower")


def add_precision_flags(add: Callable[..., object], default: str) -> None:
    """Add `--precision`, one of `PRECISIONS` by default, and `--amp`, its short form."""
    add(
        "--precision",
        choices=PRECISIONS,
        default=default,
        help=f"reduced: {REDUCED}; auto: the faster, measured on this CPU; float32 on GPUs "
        "(default: %(default)s)",
    )
    short = "short for --precision reduced"
    add("--amp", dest="precision", action="store_const", const="reduced", help=short)


def set_up_device(device: str, no_tf32: bool) -> torch.device:
    """Set the precision of convolutions, and return the device.

    Args:
        device: one of `DEVICES`.
        no_tf32: whether convolutions are in full float32 on a GPU.

    Raises:
        InputError: the device is not available.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch finds no usable GPU here; use --device cpu or auto.")
    allow_tf32(not no_tf32)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def check_device(device: torch.device | str) -> torch.device:
    """Return the device of a name.

    Raises:
        InputError: the device is not available.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:  # PyTorch has no single error type
        raise InputError(
            f"there is no device {device!r} here: give 'cpu', or 'cuda' where PyTorch finds a GPU."
        ) from error


def allow_tf32(convolutions: bool, products: bool = False) -> None:
    """Choose where GPUs may round float32 factors to TF32 (11 significant bits), for the whole process.

    Matrix products stay in float32 by default, since the memory read compares them to find the top k.
    """
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cuda.matmul.allow_tf32 = products


def amp_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype of reduced precision: bfloat16 on CPUs and newer GPUs, float16 on GPUs without it."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16
