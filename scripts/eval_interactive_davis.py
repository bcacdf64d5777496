"""Evaluate on the DAVIS interactive track: a robot scribbles where masks are worst, eight times a sample."""

from scripts.interactive_track.evaluation import evaluate
from scripts.interactive_track.flags import parse_args
from util.errors import run_script


def main() -> None:
    """Parse the flags and evaluate."""
    evaluate(parse_args(__doc__))


if __name__ == "__main__":
    run_script(main)
