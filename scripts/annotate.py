"""Annotate a video in the browser: draw, propagate, correct and export masks."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from scripts.annotator.export import KINDS
from scripts.annotator.run import annotate
from scripts.evaluation.flags import add_click_models, add_network_flags
from util.device import add_precision_flags
from util.errors import run_script
from util.flag_types import INPUT_HELP, add_alias, add_shared, positive_float, positive_int, script_parser

PORT = 8765
LARGEST_PORT = 65535


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the flags and annotate.

    Args:
        arguments: command line; None for `sys.argv[1:]`.
    """
    parser = script_parser(__doc__, "python -m scripts.annotate clip.mp4")
    add = parser.add_argument_group("video and page").add_argument
    add("input", type=Path, help=INPUT_HELP)
    add("--fps", type=positive_float, help="frame rate of a folder of pictures (default: 24)")
    add("--workspace", type=Path, help="folder for everything (default: output/annotate/<name of the input>)")
    masks = "masks to begin with: a PNG for the first frame, or a folder of PNGs named after their frames"
    add("--masks", type=Path, help=masks)
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine alone)")
    add("--port", type=port_number, help=f"port to listen on (default: {PORT}, or another if it is taken)")
    add("--no_browser", action="store_true", help="do not open a browser")
    add = parser.add_argument_group("export, without opening the page").add_argument
    add(
        "--export",
        nargs="+",
        choices=list(KINDS),
        metavar="KIND",
        help=f"kinds of exports to write: {', '.join(KINDS)}",
    )
    add("--output", type=Path, help="folder of the exports (default: WORKSPACE/exports)")
    add("--first", type=int, help="first exported frame (default: 0)")
    add("--last", type=int, help="last exported frame (default: that of the video)")
    add("--objects", type=int, nargs="+", metavar="LABEL", help="exported objects (default: all)")
    add("--feather", type=float, help="pixels over which the edge of an object fades, 0 to 20")
    add("--choke", type=float, help="pixels by which the edge moves inward, -10 to 10")
    add("--apart", action="store_true", help="write one video per object")
    add = parser.add_argument_group("network").add_argument
    add_shared(add, "size")
    add_precision_flags(add, "auto")
    add_network_flags(add)
    add_click_models(add)
    # of the original's window
    add_alias(add, "--prop_model", "model", type=Path)
    add_alias(add, "--resolution", "size", type=positive_int)
    add_alias(add, "--no_amp", "precision", action="store_const", const="float32")
    add("--num_objects", type=positive_int, default=0, help=argparse.SUPPRESS)
    annotate(parser.parse_args(arguments), PORT)


def port_number(text: str) -> int:
    """Parse the number of a port."""
    number = positive_int(text)
    if number > LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is above {LARGEST_PORT}, the last port")
    return number


if __name__ == "__main__":
    run_script(main)
