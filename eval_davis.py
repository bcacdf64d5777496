"""Evaluate on DAVIS 2017 val or test-dev: several objects a video, paletted masks."""

from pathlib import Path

from dataset.davis_test_dataset import SPLITS_2017, davis_2017
from scripts.evaluation.flags import evaluation_parser, parse_evaluation_args
from scripts.evaluation.loop import evaluate
from util.data_roots import DAVIS_2017
from util.errors import run_script


def main() -> None:
    """Parse the flags and evaluate."""
    parser = evaluation_parser(__doc__)
    parser.add_argument("--davis", type=Path, default=DAVIS_2017, help="default: %(default)s")
    parser.add_argument("--split", choices=SPLITS_2017, default="val", help="default: %(default)s")
    parser.add_argument(
        "--late_objects",
        action="store_true",
        help="also give objects that appear later, each on the first frame annotated with it; its score "
        "counts from the next frame on (off: the protocol of DAVIS, all on the first frame)",
    )
    args = parse_evaluation_args(parser)
    videos = davis_2017(args.davis, args.split, late_objects=args.late_objects)
    evaluate(
        videos, args, script="eval_davis", data=args.davis, split=args.split, late_objects=args.late_objects
    )


if __name__ == "__main__":
    run_script(main)
