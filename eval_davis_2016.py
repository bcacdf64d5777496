"""Evaluate on DAVIS 2016 val: one object per video, masks of 0 and 255."""

from pathlib import Path

from dataset.davis_test_dataset import davis_2016
from scripts.evaluation.flags import make_evaluation_parser, parse_evaluation_args
from scripts.evaluation.loop import evaluate
from util.data_roots import DAVIS_2016
from util.errors import run_script


def main() -> None:
    """Parse the flags and evaluate."""
    example = "python eval_davis_2016.py --davis ../DAVIS/2016 --output output/davis16 --score"
    parser = make_evaluation_parser(__doc__, example)
    add = parser.add_argument_group("data").add_argument
    add("--davis", type=Path, default=DAVIS_2016, help="root of the data (default: %(default)s)")
    args = parse_evaluation_args(parser)
    evaluate(davis_2016(args.davis), args, script="eval_davis_2016", data=args.davis)


if __name__ == "__main__":
    run_script(main)
