"""All that the owner of a GPU, or of a processor, would want to know: tests, frames, the read, training."""

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import torch

from scripts.benchmark import inference, training
from scripts.benchmark.timing import Report
from util.device import add_device_flags, set_up_device

Measure = Callable[[argparse.Namespace, Report], None]

GPU_TESTS = Path(__file__).parents[2] / "tests" / "test_gpu.py"

# Of what takes a processor seconds, less is done there, so that either takes minutes for all.
FRAMES = {"cuda": 40, "cpu": 12}
OBJECTS = {"cuda": ([1, 3, 5], [1, 3, 5]), "cpu": ([1, 3], [1])}  # exact, and with amp
READ_TURNS = {"cuda": 5, "cpu": 1}
TRAINING = {"cuda": (8, 384), "cpu": (2, 192)}  # samples, and the side of each
TRAINING_TURNS = {"cuda": 5, "cpu": 3}
BUSY_LOOPS = {"cuda": 0, "cpu": 2}  # a GPU is not shared with a browser's scripts


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `all` and its flags."""
    parser = commands.add_parser("all", help=__doc__, description=__doc__)
    add = parser.add_argument
    inference.add_video_flags(add)
    add("--crop_size", type=training.crop_size, help="of training (default: 384 on a GPU, else 192)")
    add_device_flags(add)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, report: Report) -> None:
    """Make every measurement of the device; what does not fit into a GPU is reported and left out."""
    device = set_up_device(args)
    for measure, settings in parts(device.type, args.crop_size):
        make(measure, argparse.Namespace(**{**vars(args), **settings}), report)
    if device.type == "cuda":
        run_gpu_tests(report)


def make(measure: Measure, args: argparse.Namespace, report: Report) -> None:
    """Make a measurement; report it if it does not fit into the GPU's memory."""
    try:
        measure(args, report)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        report.number(f"left out, since it does not fit into the GPU's memory: {measure.__module__}", 1, "")


def parts(kind: str, crop: int | None) -> Iterator[tuple[Measure, dict[str, Any]]]:
    """Yield each measurement of a kind of device, with the settings that it takes beside the common ones.

    Args:
        kind: "cuda" or "cpu".
        crop: side of the samples of training; None for the usual one.
    """
    exact, reduced = OBJECTS[kind]
    video = {"frames": FRAMES[kind], "busy_loops": 0}
    yield inference.run_inference, {**video, "objects": exact, "amp": False}
    yield inference.run_inference, {**video, "objects": reduced, "amp": True}
    if BUSY_LOOPS[kind]:
        yield inference.run_inference, {**video, "objects": [1], "amp": False, "busy_loops": BUSY_LOOPS[kind]}
    yield inference.run_read, {"top_k": 50, "turns": READ_TURNS[kind], "no_tf32": False}
    samples, side = TRAINING[kind]
    steps = {"batch_size": samples, "crop_size": crop or side, "turns": TRAINING_TURNS[kind]}
    yield training.run, {**steps, "amp": False}
    if kind == "cuda":
        yield training.run, {**steps, "amp": True}


def run_gpu_tests(report: Report) -> None:
    """Hold the GPU to the golden numbers in a process of its own, and report how many tests passed."""
    with TemporaryDirectory() as folder:
        result = Path(folder) / "result.xml"
        flags = ["-q", "-n", "0", "-p", "no:cacheprovider", f"--junitxml={result}"]
        subprocess.run([sys.executable, "-m", "pytest", *flags, GPU_TESTS], cwd=GPU_TESTS.parents[1])
        suite = ElementTree.parse(result).getroot().find("testsuite")
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}  # type: ignore[union-attr]
    failed = counts["failures"] + counts["errors"]
    report.number("tests/project/test_gpu.py: passed", counts["tests"] - failed - counts["skipped"], "tests")
    report.number("tests/project/test_gpu.py: failed", failed, "tests")
