"""Types of flags, each of which parses a flag's text or says what is wrong with it, and hidden flags."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def add_alias(add: Callable[..., Any], alias: str, dest: str, **options: Any) -> None:
    """Add a name that the original's users know for a flag of ours; the help does not show it.

    Args:
        add: `add_argument` of a parser or group.
        alias: the name.
        dest: what our flag sets.
        options: as for our flag, such as its type.
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
    """Parse `ROOT` or `ROOT:repeats` as plain values, which checkpoints can hold."""
    root, colon, repeats = text.rpartition(":")
    return (root, positive_int(repeats)) if colon and repeats.isdecimal() else (text, 1)


def picture_path(text: str) -> Path:
    """Parse the path of a picture to write."""
    return _with_suffix(text, (".jpg", ".jpeg", ".png"))


def film_path(text: str) -> Path:
    """Parse the path of a film to write."""
    return _with_suffix(text, (".mp4",))


def zip_path(text: str) -> Path:
    """Parse the path of a ZIP archive to write."""
    return _with_suffix(text, (".zip",))


def folder_name(text: str) -> str:
    """Parse the name of one folder; empty for none."""
    if Path(text).name != text or text == "..":
        raise argparse.ArgumentTypeError(f"{text} is not the name of a folder")
    return text


def _with_suffix(text: str, suffixes: Sequence[str]) -> Path:
    path = Path(text)
    if path.suffix.lower() not in suffixes:
        raise argparse.ArgumentTypeError(f"{text} does not end in {' or '.join(suffixes)}")
    return path
