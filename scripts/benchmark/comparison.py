"""Ours beside the plain way on one device: the speed, the share of the best rate, the peak of memory."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from model.fast_inference.cuda_graphs import no_replays
from scripts.benchmark.timing import Report, in_turns
from util.device import allow_tf32, amp_dtype

Item = TypeVar("Item")
Result = TypeVar("Result")

# Large enough for the full rate: the side of square matrices; channels, pictures and side of a convolution.
SIDE = {"cpu": 1024, "cuda": 8192}
CONVOLUTION = {"cpu": (256, 1, 128), "cuda": (1024, 8, 128)}
TRIES = 20  # to take the fastest of

# Multiplications for each number of a result, by the arguments: of oneDNN's products with reordered
# kernels, whose shape only the result tells, and of cuDNN's convolutions with what follows them.
PER_RESULT: dict[str, Callable[..., int]] = {
    "mkldnn._linear_pointwise.default": lambda x, *_: x.shape[-1],
    "aten.cudnn_convolution_relu.default": lambda x, weight, *_: weight[0].numel(),
    "aten.cudnn_convolution_add_relu.default": lambda x, weight, *_: weight[0].numel(),
}


def compare(
    report: Report,
    name: str,
    unit: str,
    start_ours: Callable[[], Callable[[Item], Result]],
    start_plain: Callable[[], Callable[[Item], Result]],
    items: Sequence[Item],
    *,
    device: torch.device,
    matrices: str,
    scale: float = 1,
) -> list[tuple[Result, Result]]:
    """Do the same items both ways, in turns, and report the measurements.

    Args:
        report: to add them to.
        name: what is done.
        unit: of the rates.
        start_ours: brings all that our way needs to the device, and returns what does one item.
        start_plain: likewise the plain way.
        items: to do; the first does not count.
        device: that does them.
        matrices: precision in which most is computed, see `best_rates`.
        scale: units that one item is.

    Returns:
        The results of both for each item.
    """
    ways = (("ours", start_ours), ("plain", start_plain)) if device.type == "cuda" else ()
    peaks = {way: peak_gpu_memory(start, items, device) for way, start in ways}
    ours, plain = start_ours(), start_plain()
    our_results: list[Result] = []
    plain_results: list[Result] = []
    timing = in_turns(
        lambda item: our_results.append(ours(item)), lambda item: plain_results.append(plain(item)), items
    )
    report.timing(name, timing, unit, scale)
    report.number("all of them together", sum(timing.plain) / sum(timing.ours), "times as fast")
    for way, peak in peaks.items():
        report.number(f"peak memory of {way}", peak / 1e6, "MB")
    rates = best_rates(device, matrices)
    share = operations(lambda: ours(items[-1])) / median(timing.ours) / max(rates.values())
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "the processor"
    for computed, rate in rates.items():
        report.number(f"rate of {computed} in {matrices} on {where}", rate / 1e12, "Tflop/s")
    report.number("share of the higher that ours reached", 100 * share, "%")
    return list(zip(our_results, plain_results, strict=True))


def precision(device: torch.device, amp: bool, may_use_tf32: bool) -> str:
    """Return the precision in which most is computed, as `best_rates` takes it."""
    if amp:
        return str(amp_dtype(device)).removeprefix("torch.")
    return "TF32" if device.type == "cuda" and may_use_tf32 else "float32"


@contextmanager
def tf32(convolutions: bool, products: bool = False) -> Iterator[None]:
    """Say where GPUs may use TF32, see `allow_tf32`, and restore what was so before."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    allow_tf32(convolutions, products)
    try:
        yield
    finally:
        allow_tf32(*before)


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def best_rates(device: torch.device, matrices: str) -> dict[str, float]:
    """Return the multiplications and additions a second of a large matrix product and of a large convolution.

    Libraries differ in which is faster. The convolution is 3x3 with a stride of 2, which none of them
    computes by Winograd's way.

    Args:
        device: to measure.
        matrices: "TF32", or the name of a dtype.
    """
    side = SIDE[device.type]
    channels, pictures, edge = CONVOLUTION[device.type]
    like: dict[str, Any] = {
        "device": device,
        "dtype": torch.float32 if matrices == "TF32" else getattr(torch, matrices),
    }
    factor = torch.randn(side, side, **like)
    picture = torch.randn(pictures, channels, edge, edge, **like).to(memory_format=torch.channels_last)
    kernel = torch.randn(channels, channels, 3, 3, **like).to(memory_format=torch.channels_last)
    computations: dict[str, Callable[[], Tensor]] = {
        "matrix products": lambda: factor @ factor,
        "convolutions": lambda: F.conv2d(picture, kernel, stride=2, padding=1),
    }
    with tf32(matrices == "TF32", products=matrices == "TF32"), torch.inference_mode():
        return {name: operations(each) / quickest(each, device) for name, each in computations.items()}


def quickest(compute: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of the quickest of some tries."""
    seconds = []
    for _ in range(TRIES):
        wait_for(device)
        start = time.perf_counter()
        compute()
        wait_for(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


class OperationCounter(TorchDispatchMode):
    """Counts the multiplications and additions of convolutions and matrix products by PyTorch's formulas.

    PyTorch's own counter (torch.utils.flop_counter) sees none of them in inference mode in version 2.4, and
    has no formula for some, see `PER_RESULT`.

    Attributes:
        total: so far.
    """

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one operation, or those that it consists of."""
        kwargs = kwargs or {}
        if str(func) in PER_RESULT:
            result = func(*args, **kwargs)
            self.total += 2 * result.numel() * PER_RESULT[str(func)](*args)
            return result
        formula = flop_registry.get(func._overloadpacket)
        if formula is None:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=result)
        return result


def operations(compute: Callable[[], object]) -> int:
    """Run a computation; return the multiplications and additions of its convolutions and matrix products."""
    with no_replays(), OperationCounter() as counter:
        compute()
    return counter.total


def peak_gpu_memory(
    start: Callable[[], Callable[[Item], object]], items: Sequence[Item], device: torch.device
) -> int:
    """Return the most bytes that a GPU held, of this process, while items were done."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    compute = start()
    for item in items:
        compute(item)
    return torch.cuda.max_memory_allocated(device)
