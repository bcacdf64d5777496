"""Flags that show objects by clicks, boxes and words."""

import argparse
from typing import Any

import numpy as np

from scripts.evaluation.flags import add_click_models
from util.flag_types import whole_number

CLICK, UNCLICK, BOX, FIND = "--click", "--unclick", "--box", "--find"


class _Prompt(argparse.Action):
    """Keeps prompts in the order of the command line."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        namespace.prompts = [*namespace.prompts, (self.option_strings[0], values)]


def add_prompt_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that make first masks; `prompts` holds their values in order."""
    parser.set_defaults(prompts=[])
    add = parser.add_argument_group("first masks without --masks").add_argument
    shown: dict[str, Any] = {"action": _Prompt, "default": argparse.SUPPRESS}
    add(
        CLICK,
        nargs="+",
        type=point,
        metavar="X,Y",
        help="pixels on an object; each flag is one object",
        **shown,
    )
    add(UNCLICK, nargs="+", type=point, metavar="X,Y", help="pixels outside of the object before", **shown)
    add(BOX, type=box, metavar="X0,Y0,X1,Y1", help="a box around an object", **shown)
    add(FIND, metavar="WORD", help="every object that a word names, such as dog", **shown)
    add(
        "--at",
        type=whole_number,
        metavar="FRAME",
        help="frame of the prompts (default: --start)",
    )
    add("--first_only", action="store_true", help="write the first masks to look at, and stop")
    add_click_models(add)


def point(text: str) -> tuple[float, ...]:
    """Parse `X,Y`."""
    return _numbers(text, 2)


def box(text: str) -> tuple[float, ...]:
    """Parse `X0,Y0,X1,Y1`, two opposite corners, to the top left and the bottom right one."""
    x0, y0, x1, y1 = _numbers(text, 4)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _numbers(text: str, count: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(each) for each in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise argparse.ArgumentTypeError(
            f"{text!r} is not {count} numbers such as {','.join(['10'] * count)}"
        )
    return numbers
