"""Flags that every evaluation script shares, with their defaults."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from util.device import add_device_flags, add_precision_flags
from util.flag_types import positive_float, positive_int, whole_number, zip_path

BESIDE_OUTPUT = Path()  # stands for a folder beside the output, so that the output holds masks alone
ANY_VIDEO_MEMORY_FRAMES = 50  # bound of tools for videos of any length, which would get ever slower
KM_SIGMA = 5.6  # standard deviation of the kernel, in cells of the stride-16 grid


def add_network_flags(add: Callable[..., object]) -> None:
    """Add the flags that say which network runs where; `add` is a parser's or group's `add_argument`."""
    add(
        "--model",
        type=Path,
        default=Path("saves/propagation_model.pth"),
        help="weights (default: %(default)s)",
    )
    add_device_flags(add)


def add_core_flags(add: Callable[..., object], memory_frames: int = 0, precision: str = "float32") -> None:
    """Add the flags that `InferenceCore` and `InteractiveCore` share, those of the network too.

    Args:
        add: `add_argument` of a parser or group.
        memory_frames: default bound on remembered frames; 0 for none, as the protocols of benchmarks have it.
        precision: the default, one of `util.device.PRECISIONS`.
    """
    add_network_flags(add)
    add(
        "--top_k",
        type=positive_int,
        default=50,
        help="memory positions kept per query (default: %(default)s)",
    )
    add("--no_top", action="store_true", help="read all memory positions instead of the top k")
    add("--mem_every", type=positive_int, default=5, help="remember every n-th frame (default: %(default)s)")
    add(
        "--max_memory_frames",
        type=whole_number,
        default=memory_frames,
        help="keep at most this many of them; 0 for all (default: %(default)s)",
    )
    add(
        "--no_previous",
        action="store_true",
        help="do not remember the last frame for the next one too: better with a one-shot fit, whose small "
        "mistakes would be passed on",
    )
    add(
        "--objects_at_once",
        type=positive_int,
        help="in one pass of the network (default: as many as suit the device)",
    )
    add_precision_flags(add, precision)


def core_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments that the flags of `add_core_flags` ask for."""
    return {
        "top_k": None if args.no_top else args.top_k,
        "mem_every": args.mem_every,
        "max_memory_frames": args.max_memory_frames or None,
        "remember_previous": not args.no_previous,
        "objects_at_once": args.objects_at_once,
    }


def add_engine_flags(
    parser: argparse.ArgumentParser, memory_frames: int = 0, precision: str = "float32"
) -> None:
    """Add the flags of the network and the engine; defaults are given as for `add_core_flags`."""
    add = parser.add_argument_group("network and memory").add_argument
    add_core_flags(add, memory_frames, precision)
    add("--use_km", action="store_true", help="weight the read with a Gaussian kernel (KMN)")
    add("--km_sigma", type=positive_float, default=KM_SIGMA, help="its width in cells (default: %(default)s)")
    add("--half_memory", action="store_true", help="remember in half precision, in half the space")


def engine_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `InferenceCore` that the flags ask for."""
    return {
        **core_options(args),
        "km_sigma": args.km_sigma if args.use_km else None,
        "half_memory": args.half_memory,
    }


def add_overwrite_flag(add: Callable[..., object]) -> None:
    """Add --overwrite, which means the same in every script (see `run_record.py`)."""
    add(
        "--overwrite",
        action="store_true",
        help="replace all that the run recorded in --output made there, and files of this run's names",
    )


def evaluation_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the flags common to the benchmark scripts."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument_group("results").add_argument
    add("--output", type=Path, required=True, help="folder for the masks, one folder a video")
    add_overwrite_flag(add)
    add("--max_frames", type=positive_int, help="only the first frames of each video, for a quick look")
    add("--score", action="store_true", help="compute J and F where there is ground truth")
    for flag, text in (
        ("--overlay", "films with the masks drawn in (default: OUTPUT_overlay)"),
        ("--contact_sheet", "a picture of eight frames a video (default: OUTPUT_contact_sheet)"),
    ):
        add(flag, type=Path, nargs="?", const=BESIDE_OUTPUT, metavar="DIR", help=text)
    add(
        "--zip",
        type=zip_path,
        help="also pack the masks, checked, in the form that the benchmark's server takes",
    )
    add("--flip", action="store_true", help="average with the result on the mirrored video: twice the time")
    add_engine_flags(parser)
    return parser


def parse_evaluation_args(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the flags; `--overlay` and `--contact_sheet` without a folder go beside the output."""
    args = parser.parse_args()
    for name in ("overlay", "contact_sheet"):
        if getattr(args, name) == BESIDE_OUTPUT:
            setattr(args, name, args.output.with_name(f"{args.output.name}_{name}"))
    return args
