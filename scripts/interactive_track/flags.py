"""The flags of the evaluation on the interactive track."""

import argparse
from pathlib import Path

from scripts.evaluation.flags import add_core_flags
from scripts.interactive_track.method import POLICIES
from scripts.interactive_track.session import INTERACTIONS, SECONDS
from util.data_roots import DAVIS_2017
from util.flag_types import add_alias, positive_float, positive_int, script_parser

WEIGHTS_FOLDER = Path("saves")


def parse_args(description: str | None) -> argparse.Namespace:
    """Parse the flags; the default weights are used when they exist."""
    parser = script_parser(
        description, "python -m scripts.eval_interactive_davis --davis ../DAVIS/2017 --output output/track"
    )
    add = parser.add_argument_group("data and rules").add_argument
    add("--davis", type=Path, default=DAVIS_2017, help="root of the data (default: %(default)s)")
    add("--subset", default="val", help="name of the list of sequences (default: %(default)s)")
    add("--output", type=Path, required=True, help="folder of report, summary and curve")
    add("--save_masks", action="store_true", help="also write the masks of each interaction")
    add_alias(add, "--save_mask", "save_masks", action="store_true")
    add(
        "--policy",
        choices=POLICIES,
        default="published",
        help="propagate at interactions 3, 6 and 8 (published, the default), or at every interaction",
    )
    add(
        "--interactions",
        type=positive_int,
        default=INTERACTIONS,
        help="number of interactions per sample (default: %(default)s)",
    )
    add(
        "--max_time",
        type=positive_float,
        default=INTERACTIONS * SECONDS,
        help="time limit of a sample in seconds, per object (default: %(default)s)",
    )
    add(
        "--no_scorer_time",
        action="store_true",
        help="count only the method's time against --max_time, not that of robot and scorer",
    )
    add = parser.add_argument_group("other networks").add_argument
    add("--s2m", type=Path, help="weights of S2M (default: saves/s2m.pth if it exists, else GrabCut is used)")
    add(
        "--fusion",
        type=Path,
        help="weights of fusion (default: saves/fusion.pth if it exists, else weights by distance are used)",
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
