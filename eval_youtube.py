"""Evaluate on YouTubeVOS 2018 or 2019 valid: objects appear on any frame, labels are kept."""

from pathlib import Path

from dataset.yv_test_dataset import youtube_vos
from scripts.evaluation.flags import make_evaluation_parser, parse_evaluation_args
from scripts.evaluation.loop import evaluate
from util.data_roots import YOUTUBE
from util.errors import run_script


def main() -> None:
    """Parse the flags and evaluate."""
    example = "python eval_youtube.py --yv ../YouTube --output output/youtube --zip output/youtube.zip"
    parser = make_evaluation_parser(__doc__, example)
    add = parser.add_argument_group("data").add_argument
    add("--yv", type=Path, default=YOUTUBE, help="root of the data (default: %(default)s)")
    add("--split", default="valid", help="split of the data (default: %(default)s)")
    args = parse_evaluation_args(parser)
    videos = youtube_vos(args.yv, args.split)
    evaluate(videos, args, script="eval_youtube", data=args.yv, zip_folder="Annotations", split=args.split)


if __name__ == "__main__":
    run_script(main)
