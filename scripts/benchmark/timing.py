"""Speed of ours and of the plain formulation on one device, and on a GPU the peak memory."""

import gc
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import TypeVar

import torch

from util.device import allow_tf32

Item = TypeVar("Item")
Result = TypeVar("Result")

PACKAGES = ("torch", "torchvision", "cv2", "PIL", "numpy", "scipy")


@dataclass(frozen=True)
class Timing:
    """Seconds of two functions on the same items, in pairs."""

    ours: list[float]
    plain: list[float]

    @property
    def ratio(self) -> float:
        """Median of the speed-ups of all pairs."""
        return median(plain / ours for ours, plain in zip(self.ours, self.plain, strict=True))


class Report:
    """Prints measurements as they are made, and keeps them for a table."""

    def __init__(self) -> None:
        self.machine = describe_machine()
        self.rows = ["| what | ours | plain | times as fast | |", "|---|---|---|---|---|"]
        print(self.machine)
        print(f"{'':<34} {'ours':>9} {'plain':>9} {'ratio':>6}")

    def timing(self, name: str, timing: Timing, unit: str, scale: float = 1) -> None:
        """Add the median rates of both and their ratio; an item has `scale` units, as a batch has samples."""
        ours, plain = scale / median(timing.ours), scale / median(timing.plain)
        pairs = len(timing.ours)
        print(f"{name:<34} {ours:>9.2f} {plain:>9.2f} {timing.ratio:>6.2f}   {unit}, {pairs} pairs")
        self.rows.append(f"| **{name}** | {ours:.2f} | {plain:.2f} | {timing.ratio:.2f} | {unit} |")

    def number(self, name: str, value: float, unit: str) -> None:
        """Add a single number."""
        print(f"{name}: {value:.6g} {unit}")
        self.rows.append(f"| {name} | {value:.5g} | | | {unit} |")

    def markdown(self) -> str:
        """Return the machine and a table of all measurements."""
        return "\n".join([*self.machine.splitlines(), "", *self.rows, ""])


def compare(
    report: Report,
    name: str,
    unit: str,
    starts: tuple[Callable[[], Callable[[Item], Result]], Callable[[], Callable[[Item], Result]]],
    items: Sequence[Item],
    *,
    device: torch.device,
    scale: float = 1,
) -> list[tuple[Result, Result]]:
    """Process the same items both ways, alternately; report the speed and return the results of each item.

    Args:
        report: report to extend.
        name: name of the timed work.
        unit: unit of the rates.
        starts: for ours and the plain formulation, a function that sets up and returns the function of one
            item.
        items: items; the first one is a warm-up.
        device: device that computes.
        scale: number of units in one item.
    """
    peaks = [peak_gpu_memory(start, items, device) for start in starts] if device.type == "cuda" else []
    ours, plain = (start() for start in starts)
    our_results: list[Result] = []
    plain_results: list[Result] = []
    timing = time_alternately(
        lambda item: our_results.append(ours(item)), lambda item: plain_results.append(plain(item)), items
    )
    report.timing(name, timing, unit, scale)
    for way, peak in zip(("ours", "plain"), peaks, strict=False):
        report.number(f"peak memory of {way}", peak / 1e6, "MB")
    return list(zip(our_results, plain_results, strict=True))


def time_alternately(
    ours: Callable[[Item], object], plain: Callable[[Item], object], items: Iterable[Item]
) -> Timing:
    """Time both functions on each item, in changing order, so that a busy machine slows both.

    The first item is a warm-up that does not count.
    """
    timing = Timing([], [])
    for turn, item in enumerate(items):
        order = [(ours, timing.ours), (plain, timing.plain)]
        for function, seconds in order if turn % 2 else order[::-1]:
            start = time.perf_counter()
            function(item)
            if turn:
                seconds.append(time.perf_counter() - start)
    return timing


@contextmanager
def tf32(convolutions: bool, products: bool = False) -> Iterator[None]:
    """Set where GPUs may use TF32, see `allow_tf32`, and restore the setting afterwards."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    allow_tf32(convolutions, products)
    try:
        yield
    finally:
        allow_tf32(*before)


def peak_gpu_memory(
    start: Callable[[], Callable[[Item], object]], items: Sequence[Item], device: torch.device
) -> int:
    """Return the peak of this process's GPU memory in bytes while it processes the items."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    compute = start()
    for item in items:
        compute(item)
    return torch.cuda.max_memory_allocated(device)


def describe_machine() -> str:
    """Describe the GPU, the processor, the system and the versions of the packages that matter."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    if torch.cuda.is_available():
        processor = f"{torch.cuda.get_device_name()}, {processor}"
    # from the package itself, since OpenCV is distributed under several names
    versions = ", ".join(f"{package} {import_module(package).__version__}" for package in PACKAGES)
    return (
        f"{processor}, {os.cpu_count()} cores, {platform.system()}, load {os.getloadavg()[0]:.1f}\n"
        f"Python {platform.python_version()}, {versions}"
    )
