"""Evaluate on the DAVIS interactive track: a robot scribbles where masks are worst, eight times a sample."""

from pathlib import Path

from scripts.evaluation.flags import add_core_flags
from scripts.interactive_track.evaluation import evaluate
from scripts.interactive_track.method import POLICIES
from scripts.interactive_track.session import INTERACTIONS, SECONDS
from util.data_roots import DAVIS_2017, WEIGHTS
from util.errors import run_script
from util.flag_types import add_alias, positive_float, positive_int, script_parser

EXAMPLE = "python -m scripts.eval_interactive_davis --davis ../DAVIS/2017 --output output/track"


def main() -> None:
    """Parse the flags and evaluate; weights in the folder `saves` are used when they exist."""
    parser = script_parser(__doc__, EXAMPLE)
    add = parser.add_argument_group("data and rules").add_argument
    add("--davis", type=Path, default=DAVIS_2017, help="root of the data (default: %(default)s)")
    add("--subset", default="val", help="name of the list of sequences (default: %(default)s)")
    add("--output", type=Path, required=True, help="folder of report, summary and curve")
    add("--save_masks", action="store_true", help="also write the masks of each interaction")
    add_alias(add, "--save_mask", "save_masks", action="store_true")
    policy = "propagate at interactions 3, 6 and 8 (published, the default), or at every interaction"
    add("--policy", choices=POLICIES, default="published", help=policy)
    count = "number of interactions per sample (default: %(default)s)"
    add("--interactions", type=positive_int, default=INTERACTIONS, help=count)
    limit = "time limit of a sample in seconds, per object (default: %(default)s)"
    add("--max_time", type=positive_float, default=INTERACTIONS * SECONDS, help=limit)
    own = "count only the method's time against --max_time, not that of robot and scorer"
    add("--no_scorer_time", action="store_true", help=own)
    add = parser.add_argument_group("other networks").add_argument
    for name, title, otherwise in (
        ("s2m", "S2M", "GrabCut is"),
        ("fusion", "fusion", "weights by distance are"),
    ):
        path = WEIGHTS[name]
        weights = f"weights of {title} (default: {path} if it exists, else {otherwise} used)"
        add(f"--{name}", type=Path, default=path if path.is_file() else None, help=weights)
        add_alias(add, f"--{name}_model", name, type=Path)
    add = parser.add_argument_group("network and memory").add_argument
    add_core_flags(add)
    add_alias(add, "--prop_model", "model", type=Path)
    add_alias(add, "--mem_freq", "mem_every", type=positive_int)
    evaluate(parser.parse_args())


if __name__ == "__main__":
    run_script(main)
