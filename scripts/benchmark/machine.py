"""The trials by which this processor's ways to compute are chosen, with their numbers."""

import argparse

import torch

from model.fast_inference import trials
from model.fast_inference.precision import is_reduced, make_trials
from scripts.benchmark.timing import Report

FRAMES = ((240, 427), (480, 854))  # (height, width)
CROP = (160, 160)  # of the samples of a one-shot fit
CPU = torch.device("cpu")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `machine`."""
    commands.add_parser("machine", help=__doc__, description=__doc__).set_defaults(run=run)


def run(args: argparse.Namespace, report: Report) -> None:
    """Make every trial, and report the milliseconds of both ways."""
    make_trials(amp=True)
    for size in FRAMES:
        is_reduced("auto", CPU, size)
    is_reduced("auto", CPU, CROP, training=True)
    for subject, trial in trials.made.items():
        for name, seconds in (trial.usual, trial.other):
            chosen = " (chosen)" * (name == trial.chosen)
            report.number(f"{subject}: {name}{chosen}", 1e3 * seconds, "ms")
