"""Measure the speed of the system and of a plain formulation, alternately in one process.

--amp concerns the system only.
"""

import argparse
from pathlib import Path

import torch

from model.fast_inference import trials
from model.fast_inference.precision import is_reduced, make_trials
from scripts.benchmark import inference, interactive, training
from scripts.benchmark.timing import Report
from util.device import add_device_flags, set_up_device
from util.errors import InputError, run_script
from util.files import atomic_path
from util.flag_types import help_texts, script_parser

TRIAL_FRAMES = ((240, 427), (480, 854))  # (height, width)
TRIAL_CROP = (160, 160)  # of the samples of a one-shot fit
SIZES = {  # of `all`, which takes minutes: objects, frames, training steps, their batch and crop
    "cuda": ([1, 3, 5], 40, 5, 8, 384),
    "cpu": ([1, 3], 12, 3, 2, 192),
}


def main() -> None:
    """Parse the flags and run one benchmark."""
    parser = script_parser(__doc__, "python -m scripts.benchmark --markdown table.md read --turns 5")
    parser.add_argument("--markdown", type=Path, help="also write the measurements to this file, as a table")
    commands = parser.add_subparsers(title="what to measure", required=True)
    what = "frames, the memory read and training steps"
    example = f"python -m scripts.benchmark all {inference.VIDEO_EXAMPLE}"
    everything = commands.add_parser("all", help=what, **help_texts(what, example))
    inference.add_video_flags(everything.add_argument)
    add_device_flags(everything.add_argument)
    everything.set_defaults(run=run_all)
    trial = "the trials by which this processor's ways to compute are chosen, with their numbers"
    texts = help_texts(trial, "python -m scripts.benchmark machine")
    commands.add_parser("machine", help=trial, **texts).set_defaults(run=run_trials)
    inference.add_commands(commands)
    interactive.add_command(commands)
    training.add_command(commands)
    args = parser.parse_args()
    report = Report()
    try:
        args.run(args, report)
    finally:  # keep the finished measurements when the rest is stopped
        if args.markdown is not None:
            with atomic_path(args.markdown) as temporary:
                temporary.write_text(report.markdown())


def run_all(args: argparse.Namespace, report: Report) -> None:
    """Run the measurements of docs/SPEED.md, except those that do not fit into a GPU."""
    kind = set_up_device(args.device, args.no_tf32).type
    objects, frames, turns, batch, crop = SIZES[kind]
    video = {"frames": frames, "objects": objects}
    steps = {"batch_size": batch, "crop_size": crop, "turns": turns}
    for measure, settings in (
        (inference.run_inference, {**video, "amp": False}),
        (inference.run_inference, {**video, "amp": True}),
        (inference.run_read, {"top_k": 50, "turns": turns}),
        (training.run, {**steps, "amp": False}),
        (training.run, {**steps, "amp": True}),
    ):
        try:
            measure(argparse.Namespace(**{**vars(args), **settings}), report)
        except (torch.cuda.OutOfMemoryError, InputError) as error:
            if not isinstance(error.__cause__ or error, torch.cuda.OutOfMemoryError):
                raise
        torch.cuda.empty_cache()


def run_trials(args: argparse.Namespace, report: Report) -> None:
    """Make every trial, and report the milliseconds of both ways."""
    make_trials(amp=True)
    for size in TRIAL_FRAMES:
        is_reduced("auto", torch.device("cpu"), size)
    is_reduced("auto", torch.device("cpu"), TRIAL_CROP, training=True)
    for subject, trial in trials.made.items():
        for name, seconds in (trial.usual, trial.other):
            chosen = " (chosen)" * (name == trial.chosen)
            report.number(f"{subject}: {name}{chosen}", 1e3 * seconds, "ms")


if __name__ == "__main__":
    run_script(main)
