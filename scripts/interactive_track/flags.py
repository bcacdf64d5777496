"""The flags of the evaluation on the interactive track."""

import argparse
from pathlib import Path

from scripts.evaluation.flags import add_core_flags
from scripts.interactive_track.method import POLICIES
from scripts.interactive_track.session import INTERACTIONS, SECONDS
from util.data_roots import DAVIS_2017
from util.flag_types import add_alias, positive_float, positive_int

WEIGHTS_FOLDER = Path("saves")


def parse_args(description: str | None) -> argparse.Namespace:
    """Parse the flags; weights that are not named are taken from where they are downloaded to."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument_group("data and rules").add_argument
    add("--davis", type=Path, default=DAVIS_2017, help="data set (default: %(default)s)")
    add("--subset", default="val", help="name of its list of sequences (default: %(default)s)")
    add("--output", type=Path, required=True, help="folder for report, summary and curve")
    add("--save_masks", action="store_true", help="also write the masks of each interaction there")
    add_alias(add, "--save_mask", "save_masks", action="store_true")
    add(
        "--policy",
        choices=POLICIES,
        default="published",
        help="propagate at interactions 3, 6 and 8 (the default), or at every one",
    )
    add("--interactions", type=positive_int, default=INTERACTIONS, help="of a sample (default: %(default)s)")
    add(
        "--max_time",
        type=positive_float,
        default=INTERACTIONS * SECONDS,
        help="seconds of a sample for each of its objects (default: %(default)s)",
    )
    add(
        "--no_scorer_time",
        action="store_true",
        help="let the method's own seconds alone count against --max_time, not the robot's and the scorer's",
    )
    add = parser.add_argument_group("the other two networks").add_argument
    add(
        "--s2m", type=Path, help="weights (default: saves/s2m.pth if there; without, GrabCut takes its place)"
    )
    add(
        "--fusion",
        type=Path,
        help="weights (default: saves/fusion.pth if there; without, old and new masks blend by distance)",
    )
    for name in ("s2m", "fusion"):
        add_alias(add, f"--{name}_model", name, type=Path)
    add = parser.add_argument_group("network and memory").add_argument
    add_core_flags(add)
    add_alias(add, "--prop_model", "model", type=Path)
    add_alias(add, "--mem_freq", "mem_every", type=positive_int)
    args = parser.parse_args()
    for name in ("s2m", "fusion"):
        usual = WEIGHTS_FOLDER / f"{name}.pth"
        if getattr(args, name) is None and usual.is_file():
            setattr(args, name, usual)
    return args
