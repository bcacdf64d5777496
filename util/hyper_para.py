"""The flags of the training scripts, and their defaults."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from util.data_roots import add_root_flags
from util.device import AMP_HELP, add_device_flags
from util.errors import InputError
from util.flag_types import positive_float, positive_int, root_and_repeats, script_parser, whole_number
from util.stages import STAGES, Schedule

# Settings that a resumed run must share with the stopped one.
SAME_WHEN_RESUMED = (
    *("stage", "samples", "whole_batch", "crop_size", "seed"),
    *("iterations", "lr", "steps", "gamma", "amp", "clip_grad"),
    "model",  # the propagation network, from which fusion takes the attention
)

SEED_HELP = "seed of all random numbers (default: %(default)s)"
CROP_HELP = "side of a sample in pixels (default: %(default)s)"
OWN_DATA = {  # for each flag of the user's own data: the stage that trains on it, and its help text
    "pictures": (0, "own pictures x.jpg with masks x.png, in ROOT or in folders in it"),
    "videos": (2, "own videos, with JPEGImages/<video> and Annotations/<video> in ROOT"),
}
UNRECORDED = "NULL"  # name of a run without logs and files


def add_training_flags(
    parser: argparse.ArgumentParser, *, crop: int, lr: float, images: int, saves: int, logs: int = 100
) -> None:
    """Add the flags that all trainings share.

    Args:
        parser: the script's parser.
        crop: default side of a sample in pixels.
        lr: default learning rate.
        images: default number of iterations between logged pictures.
        saves: default number of iterations between saved networks.
        logs: default number of iterations between logged metrics.
    """
    add = parser.add_argument_group("run").add_argument
    add(
        "--id",
        type=_run_name,
        help=f"name of the run and its files (default: by stage, s0); {UNRECORDED}: none",
    )
    add("--load_network", type=Path, help="weights to start from")
    add("--load_model", type=Path, help="X_checkpoint.pth of a stopped run to continue exactly")
    add("--seed", type=whole_number, default=14159265, help=SEED_HELP)
    add_device_flags(add)
    add("--local-rank", "--local_rank", type=int, help=argparse.SUPPRESS)  # launchers also set LOCAL_RANK

    add = parser.add_argument_group("samples").add_argument
    add("--crop_size", type=crop_size, default=crop, help=CROP_HELP)
    add("--num_workers", type=whole_number, default=8, help="loading processes per process (default: 8)")

    add = parser.add_argument_group("optimisation").add_argument
    add("-b", "--batch_size", type=positive_int, help="samples per batch and process (default: as published)")
    add("-i", "--iterations", type=positive_int, help="number of iterations (default: as published)")
    steps = "iterations at which --lr is decayed (default: as published)"
    add("--steps", type=positive_int, nargs="*", help=steps)
    add("--lr", type=positive_float, default=lr, help="learning rate (default: %(default)s)")
    add("--gamma", type=positive_float, default=0.1, help="factor of --lr at --steps (default: %(default)s)")
    add("--clip_grad", type=positive_float, help="limit of the gradient's norm (default: no limit)")
    add("--amp", action="store_true", help=AMP_HELP)
    add("--compile", action="store_true", help="use torch.compile")
    add("--benchmark", action="store_true", help="let cuDNN search for the fastest convolutions")

    add = parser.add_argument_group("logs and files").add_argument
    every, default = "iterations between", "(default: %(default)s)"
    add("--log_interval", type=positive_int, help=f"{every} metrics (default: {logs})")
    add("--image_interval", type=positive_int, help=f"{every} images (default: {images})")
    add("--save_interval", type=positive_int, default=saves, help=f"{every} saved networks {default}")
    checkpoints = f"{every} saved states of the run, for --load_model {default}"
    add("--checkpoint_interval", type=positive_int, default=5_000, help=checkpoints)
    add("--debug", action="store_true", help="log every iteration, save nothing at the end")
    parser.set_defaults(usual_intervals=(logs, images))


def complete_settings(settings: argparse.Namespace, name: str, schedule: Schedule) -> None:
    """Fill in the defaults of flags that were not given.

    Args:
        settings: parsed flags of `add_training_flags`, changed in place.
        name: default name of the run.
        schedule: defaults of the training.

    Raises:
        InputError: two flags contradict each other.
    """
    settings.id = settings.id or name
    settings.batch_size = settings.batch_size or schedule.batch_size
    settings.iterations = settings.iterations or schedule.iterations
    settings.steps = sorted(schedule.steps if settings.steps is None else settings.steps)
    logs, images = (1, 1) if settings.debug else settings.usual_intervals
    del settings.usual_intervals
    settings.log_interval = settings.log_interval or logs
    settings.image_interval = settings.image_interval or images
    if settings.load_model is not None and settings.load_network is not None:
        raise InputError(
            "--load_model continues a stopped run and --load_network starts a new one: give one of them."
        )


def training_parser() -> argparse.ArgumentParser:
    """Return the parser of train.py."""
    about = "Train the propagation network, one stage at a time."
    parser = script_parser(about, "python train.py --stage 0 --id s0")
    parser.add_argument("--stage", type=int, choices=range(len(STAGES)), default=0, help=_stage_help())
    add_training_flags(parser, crop=384, lr=1e-5, images=800, saves=50_000)
    add = parser.add_argument_group("data").add_argument
    add_root_flags(add, static_root="stage 0: static pictures", bl_root="stage 1: BL30K")
    add_root_flags(add, yv_root="stage 2: YouTubeVOS", davis_root="stage 2: DAVIS, with 2017/trainval in it")
    add(
        "--yv_subset",
        type=Path,
        help="file with the YouTubeVOS videos to train on, or `all` (default: the 3,464 of the original)",
    )
    for name, (stage, text) in OWN_DATA.items():
        add(
            f"--{name}",
            type=root_and_repeats,
            action="append",
            default=[],
            metavar="ROOT[:REPEATS]",
            help=f"stage {stage}: {text}; can be given several times",
        )
    add("--only_own", action="store_true", help="train on own data alone, without the published sets")
    return parser


def parse_training_settings(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the flags of train.py and fill in the defaults of the stage.

    Args:
        arguments: command line; None for `sys.argv[1:]`.

    Raises:
        InputError: two flags contradict each other.
    """
    settings = training_parser().parse_args(arguments)
    for name, (stage, _) in OWN_DATA.items():
        if getattr(settings, name) and settings.stage != stage:
            raise InputError(f"--{name} is for stage {stage}, and this is stage {settings.stage}.")
    if settings.only_own and not any(getattr(settings, name) for name in OWN_DATA):
        raise InputError("--only_own needs own data: give --videos or --pictures, too.")
    complete_settings(settings, f"s{settings.stage}", STAGES[settings.stage])
    return settings


def check_same_run(before: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    """Check that a resumed run has the settings of the stopped one.

    Args:
        before: settings in the checkpoint.
        now: settings of this run.
        path: path of the checkpoint, for the error message.

    Raises:
        InputError: settings differ; the message names them.
    """
    changed = [
        f"{name} {before.get(name)} (now {now.get(name)})"
        for name in SAME_WHEN_RESUMED  # some trainings have no stage or no model
        if before.get(name) != now.get(name)
    ]
    if changed:
        raise InputError(
            f"{path} is of a run with {', '.join(changed)}: give the same flags to continue it, "
            "or --load_network to start a new run from its weights."
        )


def plain_settings(settings: argparse.Namespace, processes: int, samples: int) -> dict[str, Any]:
    """Return the settings as plain values for logs and checkpoints, with the size of set and batch.

    Args:
        settings: completed flags.
        processes: number of processes in the run.
        samples: number of samples in the training set.
    """
    plain = {name: str(v) if isinstance(v, Path) else v for name, v in vars(settings).items()}
    del plain["local_rank"]
    return {**plain, "samples": samples, "whole_batch": settings.batch_size * processes}


def _stage_help() -> str:
    said = (f"{n}: {s.data}, batch {s.batch_size}, {s.iterations:,} iterations" for n, s in enumerate(STAGES))
    return f"{'; '.join(said)} (default: %(default)s)"


def _run_name(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+", text):
        raise argparse.ArgumentTypeError(f"'{text}' has characters beside letters, digits, '_', '-' and '.'")
    return text


def crop_size(text: str) -> int:
    """Parse the side of a sample: a multiple of 16, the network's stride."""
    size = positive_int(text)
    if size % 16:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of 16, the network's stride")
    return size
