"""The device of a run, and how precisely it computes."""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from util.errors import InputError

DEVICES = ("auto", "cpu", "cuda")


def add_device_flags(add: Callable[..., object]) -> None:
    """Add the flags that `chosen_device` reads; `add` is a parser's or group's `add_argument`."""
    add("--device", choices=DEVICES, default="auto", help="default: a GPU when there is one")
    add("--no_tf32", action="store_true", help="on a GPU: convolve in full float32, which is slower")


def chosen_device(args: argparse.Namespace) -> torch.device:
    """Return the device of the flags, and let its convolutions use TF32 unless the flags forbid it.

    Raises:
        InputError: there is no such device.
    """
    allow_tf32(not args.no_tf32)
    return select_device(args.device)


def select_device(name: str) -> torch.device:
    """Return the device for `--device`: auto is CUDA when there is a usable GPU, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch finds no usable GPU here; use --device cpu or auto.")
    return torch.device(name)


def allow_tf32(convolutions: bool, products: bool = False) -> None:
    """Say where GPUs may round float32 factors to the 11 significant bits of TF32, for this whole process.

    The default keeps matrix products exact: the memory read compares them to find the top k.
    """
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cuda.matmul.allow_tf32 = products


def amp_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype of `--amp`: bfloat16 on CPUs and newer GPUs, float16 on GPUs without it."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def has_matrix_unit() -> bool:
    """Tell whether the processor multiplies matrices of bfloat16 in single instructions (Intel's AMX)."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "amx_bf16" in cpuinfo.read_text()
