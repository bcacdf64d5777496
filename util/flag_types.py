"""Parsers of scripts, flags of several scripts, types of flags (each parses a text or says what is wrong)."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

YEAR_HELP = "2016: all labels are one object; 2017: each label is an object (default: %(default)s)"
PICTURES = (".jpg", ".jpeg", ".png")
WORKERS_HELP = "number of threads (default: one per core)"
INPUT_HELP = "video file, or folder of jpg, png, bmp, webp or tiff pictures"
MASKS_HELP = "a PNG for the first frame, or a folder of PNGs named after their frames"


def script_parser(description: str | None, *examples: str) -> argparse.ArgumentParser:
    """Return the parser of a script, whose help ends with examples.

    Args:
        description: docstring of the script.
        examples: command lines, `python NAME.py ...` or `python -m scripts.NAME ...`.
    """
    words = examples[0].split()
    prog = " ".join(words[: 3 if words[1] == "-m" else 2])
    return argparse.ArgumentParser(prog=prog, **help_texts(description, *examples))


def help_texts(description: str | None, *examples: str) -> dict[str, Any]:
    """Return the arguments of a parser or subparser whose help shows a description and ends with examples."""
    return {
        "description": description,
        "epilog": "\n  ".join(("example:", *examples)),
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def add_alias(add: Callable[..., Any], alias: str, dest: str, **options: Any) -> None:
    """Add the original code's name of a flag; the help does not show it.

    Args:
        add: `add_argument` of a parser or group.
        alias: the original's flag.
        dest: attribute that both flags set.
        options: other arguments of `add`, such as the type.
    """
    add(alias, dest=dest, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **options)


def positive_int(text: str) -> int:
    """Parse a whole number above zero."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def whole_number(text: str) -> int:
    """Parse a whole number, zero included."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return value


def positive_float(text: str) -> float:
    """Parse a number above zero."""
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def root_and_repeats(text: str) -> tuple[str, int]:
    """Parse `ROOT` or `ROOT:repeats` into plain values, which checkpoints can store."""
    root, colon, repeats = text.rpartition(":")
    return (root, positive_int(repeats)) if colon and repeats.isdecimal() else (text, 1)


def path_with(*suffixes: str) -> Callable[[str], Path]:
    """Return a parser of the path of an output file that has one of some suffixes."""

    def parsed(text: str) -> Path:
        path = Path(text)
        if path.suffix.lower() not in suffixes:
            raise argparse.ArgumentTypeError(f"{text} does not end in {' or '.join(suffixes)}")
        return path

    return parsed


def folder_name(text: str) -> str:
    """Parse the name of a single folder; it may be empty."""
    if Path(text).name != text or text == "..":
        raise argparse.ArgumentTypeError(f"{text} is not the name of a folder")
    return text


SHARED_FLAGS: dict[str, dict[str, Any]] = {
    "graphs": {"type": Path, "required": True, "help": "folder of graphs from scripts.export_onnx"},
    "input": {"type": Path, "required": True, "help": INPUT_HELP},
    "masks": {"type": Path, "required": True, "help": MASKS_HELP},
    "size": {"type": positive_int, "default": 480, "help": "shorter side for the network"},
    "top_k": {"type": positive_int, "default": 50, "help": "memory positions per query"},
    "mem_every": {"type": positive_int, "default": 5, "help": "add every n-th frame to the permanent memory"},
    "no_previous": {"action": "store_true", "help": "do not remember the previous frame; for one-shot fits"},
}


def add_shared(add: Callable[..., Any], *names: str) -> None:
    """Add flags that several scripts have; `add` is `add_argument` of a parser or group."""
    for name in names:
        options = SHARED_FLAGS[name]
        usual = " (default: %(default)s)" if "default" in options else ""
        add(f"--{name}", **{**options, "help": options["help"] + usual})
