"""Fair timing of two ways to do the same thing."""

import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TypeVar

Item = TypeVar("Item")

PACKAGES = ("torch", "torchvision", "opencv-python", "pillow", "numpy", "scipy")


@dataclass(frozen=True)
class Timing:
    """Seconds that two functions took on the same items, in pairs."""

    ours: list[float]
    plain: list[float]

    def row(self, name: str, unit: str) -> str:
        """Return a line of a table: rates by the medians, and the median of the ratios pair by pair."""
        ratio = median(plain / ours for ours, plain in zip(self.ours, self.plain, strict=True))
        ours, plain = 1 / median(self.ours), 1 / median(self.plain)
        return f"{name:<34} {ours:>9.2f} {plain:>9.2f} {ratio:>6.2f}   {unit}, {len(self.ours)} pairs"


HEADER = f"{'':<34} {'ours':>9} {'plain':>9} {'ratio':>6}"


def in_turns(
    ours: Callable[[Item], object], plain: Callable[[Item], object], items: Iterable[Item]
) -> Timing:
    """Time both functions on each item, one after the other, so that a busy machine slows both.

    The order changes from item to item. The first item is a warm-up that does not count.
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


def machine() -> str:
    """Describe the processor, the system and the versions of the packages that matter."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{processor}, {os.cpu_count()} cores, {platform.system()}, {load}\n"
        f"Python {platform.python_version()}, {versions}"
    )
