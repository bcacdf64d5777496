"""Flags that scripts share, with their defaults; `add` is `add_argument` of a parser or group."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from util.data_roots import WEIGHTS
from util.device import add_device_flags, add_precision_flags
from util.flag_types import add_shared, path_with, positive_float, positive_int, script_parser, whole_number
from util.promptable import CLICK_MODEL, FIND_MODEL, GRAB_CUT

Add = Callable[..., object]

BESIDE_OUTPUT = Path()  # value of --overlay and --contact_sheet without a folder
ANY_VIDEO_MEMORY_FRAMES = 50  # default memory limit for videos of any length
KM_SIGMA = 5.6  # standard deviation of the kernel, in cells of the stride-16 grid
LATE_OBJECTS_HELP = "give later objects on their first annotated frame, and score them from the next one on"
CLICK, UNCLICK, BOX, FIND = "--click", "--unclick", "--box", "--find"


def add_network_flags(add: Add) -> None:
    """Add the flags of the propagation network and its device."""
    weights = "weights of the propagation network (default: %(default)s)"
    add("--model", type=Path, default=WEIGHTS["propagation"], help=weights)
    add_device_flags(add)


def add_top_k_flags(add: Add) -> None:
    """Add --top_k and --no_top."""
    add_shared(add, "top_k")
    add("--no_top", action="store_true", help="read all memory positions")


def add_kernel_flags(add: Add) -> None:
    """Add --use_km and --km_sigma."""
    add("--use_km", action="store_true", help="weight the memory read with a Gaussian kernel (KMN)")
    sigma = "standard deviation of the kernel, in 16-pixel cells (default: %(default)s)"
    add("--km_sigma", type=positive_float, default=KM_SIGMA, help=sigma)


def add_core_flags(add: Add, memory_frames: int | None = 0, precision: str = "float32") -> None:
    """Add the flags of the network, and those that `InferenceCore` and `InteractiveCore` share.

    Args:
        add: `add_argument` of a parser or group.
        memory_frames: default limit of the permanent memory; 0 for no limit, None when a preset sets it.
        precision: default precision, one of `util.device.PRECISIONS`.
    """
    add_network_flags(add)
    add_top_k_flags(add)
    add_shared(add, "mem_every", "no_previous")
    usual = "that of the preset, else 50" if memory_frames is None else "%(default)s"
    limit = f"limit of frames in the permanent memory; 0 for no limit (default: {usual})"
    add("--max_memory_frames", type=whole_number, default=memory_frames, help=limit)
    at_once = "number of objects in one pass of the network (default: chosen for the device)"
    add("--objects_at_once", type=positive_int, help=at_once)
    add_precision_flags(add, precision)


def read_core_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of an engine for the flags of `add_core_flags`."""
    return {
        "top_k": None if args.no_top else args.top_k,
        "mem_every": args.mem_every,
        "max_memory_frames": args.max_memory_frames or None,
        "remember_previous": not args.no_previous,
        "objects_at_once": args.objects_at_once,
    }


def add_engine_flags(
    parser: argparse.ArgumentParser, memory_frames: int | None = 0, precision: str = "float32"
) -> None:
    """Add the flags of the network and of `InferenceCore`; defaults as in `add_core_flags`."""
    add = parser.add_argument_group("network and memory").add_argument
    add_core_flags(add, memory_frames, precision)
    add_kernel_flags(add)
    add("--half_memory", action="store_true", help="store the memory in half precision, in half the space")


def read_engine_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `InferenceCore` for the flags."""
    return {
        **read_core_options(args),
        "km_sigma": args.km_sigma if args.use_km else None,
        "half_memory": args.half_memory,
    }


def add_overwrite_flag(add: Add) -> None:
    """Add --overwrite, which has one meaning in all scripts (see `run_record.py`)."""
    add("--overwrite", action="store_true", help="remove the results of the earlier run in --output first")


def make_evaluation_parser(
    description: str | None, example: str, memory_frames: int | None = 0
) -> argparse.ArgumentParser:
    """Return a parser with the flags of the evaluation scripts; see `script_parser` and `add_core_flags`."""
    parser = script_parser(description, example)
    add = parser.add_argument_group("results").add_argument
    add("--output", type=Path, required=True, help="folder of the masks, OUTPUT/<video>/<frame>.png")
    add_overwrite_flag(add)
    add("--max_frames", type=positive_int, help="only the first frames of each video")
    add("--score", action="store_true", help="compute J and F against the ground truth")
    for flag, text in (
        ("--overlay", "write videos with the masks drawn in (default: OUTPUT_overlay)"),
        ("--contact_sheet", "write a picture of eight frames per video (default: OUTPUT_contact_sheet)"),
    ):
        add(flag, type=Path, nargs="?", const=BESIDE_OUTPUT, metavar="DIR", help=text)
    add("--zip", type=path_with(".zip"), help="pack the masks for the benchmark's server")
    add("--flip", action="store_true", help="average with the result on the mirrored video: twice the time")
    add_engine_flags(parser, memory_frames)
    return parser


def parse_evaluation_args(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the flags, and fill in the folders of `--overlay` and `--contact_sheet`."""
    args = parser.parse_args()
    for name in ("overlay", "contact_sheet"):
        if getattr(args, name) == BESIDE_OUTPUT:
            setattr(args, name, args.output.with_name(f"{args.output.name}_{name}"))
    return args


class _Prompt(argparse.Action):
    """Keeps prompts in the order of the command line."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        namespace.prompts = [*namespace.prompts, (self.option_strings[0], values)]


def add_prompt_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that make first masks; `prompts` holds their values in order."""
    parser.set_defaults(prompts=[])
    add = parser.add_argument_group("first masks without --masks").add_argument
    shown: dict[str, Any] = {"action": _Prompt, "default": argparse.SUPPRESS}
    points: dict[str, Any] = {"nargs": "+", "type": point, "metavar": "X,Y", **shown}
    add(CLICK, help="pixels on an object; each flag is one object", **points)
    add(UNCLICK, help="pixels beside the object of the flag before", **points)
    add(BOX, type=box, metavar="X0,Y0,X1,Y1", help="a box around an object", **shown)
    add(FIND, metavar="WORD", help="every object that a word names, such as dog", **shown)
    add("--at", type=whole_number, metavar="FRAME", help="frame of the prompts (default: --start)")
    add("--first_only", action="store_true", help="write the first masks to look at, and stop")
    add_click_models(add)


def add_click_models(add: Add) -> None:
    """Add the flags of the networks that answer clicks and words."""
    clicks = f"promptable network for clicks and boxes; {GRAB_CUT} needs no weights (default: %(default)s)"
    add("--click_model", default=CLICK_MODEL, metavar="NAME", help=clicks)
    words = "promptable network for words (default: %(default)s)"
    add("--find_model", default=FIND_MODEL, metavar="NAME", help=words)


def point(text: str) -> tuple[float, ...]:
    """Parse `X,Y`."""
    return _numbers(text, 2)


def box(text: str) -> tuple[float, ...]:
    """Parse `X0,Y0,X1,Y1`, two opposite corners, to the top left and the bottom right one."""
    x0, y0, x1, y1 = _numbers(text, 4)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _numbers(text: str, count: int) -> tuple[float, ...]:
    numbers = tuple(float(each) for each in text.split(","))
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError
    return numbers
