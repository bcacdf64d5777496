"""Choice of device and of the reduced precision that it supports."""

from pathlib import Path

import torch

from util.errors import InputError

DEVICES = ("auto", "cpu", "cuda")


def select_device(name: str) -> torch.device:
    """Return the device for `--device`: auto is CUDA when there is a usable GPU, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch finds no usable GPU here; use --device cpu or auto.")
    return torch.device(name)


def amp_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype of `--amp`: bfloat16 on CPUs and newer GPUs, float16 on GPUs without it."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def has_matrix_unit() -> bool:
    """Tell whether the processor multiplies matrices of bfloat16 in single instructions (Intel's AMX)."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "amx_bf16" in cpuinfo.read_text()
