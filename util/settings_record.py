"""What the files of a folder are made with, recorded beside them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from util.errors import InputError
from util.files import atomic_path

SETTINGS_FILE = ".settings.json"
UNREADABLE = re.compile(r"[0-9a-f]{16,}$|[\[{]")  # digests, and long lists


def read_record(folder: Path, advice: str) -> dict[str, Any] | None:
    """Return what is recorded in a folder, None without a record; raises InputError when it is damaged."""
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text())
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{path} is damaged: {advice}")
    return record


def check_same(folder: Path, before: Mapping[str, Any], settings: Mapping[str, Any], advice: str) -> None:
    """Make sure that a folder was begun with the same settings.

    Args:
        folder: where the record lies.
        before: the record; entries that are not in `settings` do not count.
        settings: plain values, in the order in which a difference is looked for.
        advice: what to do when they differ, for the error message.

    Raises:
        InputError: names the first setting that differs.
    """
    for name, value in json.loads(json.dumps(settings)).items():  # as the record has them
        then = before.get(name)
        if then != value:
            telling = not any(UNREADABLE.match(str(each)) for each in (then, value))
            values = f" ({then}, now {value})" if telling else ""
            raise InputError(f"{folder} was begun with another {name}{values}: {advice}")


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Record plain values in a folder, in place of an earlier record."""
    with atomic_path(folder / SETTINGS_FILE) as temporary:
        temporary.write_text(json.dumps(record, indent=1))


def record_settings(folder: Path, settings: Mapping[str, Any], advice: str) -> None:
    """Record the settings of a folder; raises InputError when it was begun with others, see `check_same`."""
    before = read_record(folder, advice)
    if before is not None:
        check_same(folder, before, settings, advice)
    write_record(folder, settings)
