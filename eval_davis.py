"""Evaluate on DAVIS 2017 val or test-dev: several objects per video, paletted masks."""

from pathlib import Path

from dataset.davis_test_dataset import SPLITS_2017, davis_2017
from scripts.evaluation.flags import LATE_OBJECTS_HELP, make_evaluation_parser, parse_evaluation_args
from scripts.evaluation.loop import evaluate
from util.data_roots import DAVIS_2017
from util.errors import run_script


def main() -> None:
    """Parse the flags and evaluate."""
    example = "python eval_davis.py --davis ../DAVIS/2017 --output output/davis17 --score"
    parser = make_evaluation_parser(__doc__, example)
    add = parser.add_argument_group("data").add_argument
    add("--davis", type=Path, default=DAVIS_2017, help="root of the data (default: %(default)s)")
    add("--split", choices=SPLITS_2017, default="val", help="split of the data (default: %(default)s)")
    add("--late_objects", action="store_true", help=f"not DAVIS's protocol: {LATE_OBJECTS_HELP}")
    args = parse_evaluation_args(parser)
    videos = davis_2017(args.davis, args.split, late_objects=args.late_objects)
    protocol = {"split": args.split, "late_objects": args.late_objects}
    evaluate(videos, args, script="eval_davis", data=args.davis, **protocol)


if __name__ == "__main__":
    run_script(main)
