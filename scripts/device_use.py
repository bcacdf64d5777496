"""What a computation makes of its device: the share of the matrix rate, and the peak of a GPU's memory."""

import gc
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from util.device import allow_tf32, amp_dtype
from util.timing import Report

Item = TypeVar("Item")

SIDE = {"cpu": 1024, "cuda": 8192}  # of the square matrices: large enough for the full rate
PRODUCTS = 20  # to take the fastest of


def operations(compute: Callable[[], object]) -> int:
    """Run a computation; return the multiplications and additions of its convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        compute()
    return int(counter.get_total_flops())


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return the multiplications and additions a second of large matrix products; GPUs may use TF32."""
    allow_tf32(True, products=True)
    side = SIDE[device.type]
    factor = torch.randn(side, side, device=device, dtype=dtype)
    seconds = []
    for _ in range(PRODUCTS):
        start = time.perf_counter()
        (factor @ factor)[0, 0].item()  # waits for a GPU
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / min(seconds)


def report_share(
    report: Report, compute: Callable[[], object], seconds: float, device: torch.device, amp: bool
) -> None:
    """Report what share of its rate of matrix products a device reached.

    Args:
        report: to add it to.
        compute: does once more what was timed, to count its operations.
        seconds: that it took.
        device: that did it.
        amp: it was done in reduced precision, in which the rate is measured too.
    """
    done = operations(compute)
    dtype = amp_dtype(device) if amp else torch.float32
    rate = matrix_rate(device, dtype)
    name = str(dtype).removeprefix("torch.")
    report.number(f"rate of matrix products in {name}", rate / 1e12, "Tflop/s")
    report.number("share of it that ours reached", 100 * done / seconds / rate, "%")


def report_peak(
    report: Report,
    name: str,
    start: Callable[[], Callable[[Item], object]],
    items: Iterable[Item],
    device: torch.device,
) -> None:
    """On a GPU, report how much of its memory a computation takes; elsewhere do nothing.

    Args:
        report: to add it to.
        name: of the computation.
        start: brings all that is needed to the device, and returns what does one item.
        items: to do.
        device: to look at.
    """
    if device.type != "cuda":
        return
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    compute = start()
    for item in items:
        compute(item)
    report.number(f"peak memory of {name}", torch.cuda.max_memory_allocated(device) / 1e6, "MB")
