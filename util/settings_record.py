"""The settings that a folder's files were made with, recorded in the folder."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from util.errors import InputError
from util.files import atomic_path

SETTINGS_FILE = ".settings.json"
UNREADABLE = re.compile(r"[0-9a-f]{16,}$|[\[{]")  # values that a message leaves out: digests and lists


def read_record(folder: Path, advice: str) -> dict[str, Any] | None:
    """Return the record of a folder, or None; raise InputError when it is damaged."""
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged: {advice}") from error


def check_same(folder: Path, before: Mapping[str, Any], settings: Mapping[str, Any], advice: str) -> None:
    """Raise InputError, with advice, for the first setting that differs from the record of a folder."""
    for name, value in json.loads(json.dumps(settings)).items():  # as the record has them
        then = before.get(name)
        if then != value:
            hidden = any(UNREADABLE.match(str(each)) for each in (then, value))
            values = "" if hidden else f" ({then}, now {value})"
            raise InputError(f"{folder} was begun with another {name}{values}: {advice}")


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Record plain values in a folder, replacing an earlier record."""
    with atomic_path(folder / SETTINGS_FILE) as temporary:
        temporary.write_text(json.dumps(record, indent=1))


def record_settings(folder: Path, settings: Mapping[str, Any], advice: str) -> None:
    """Record the settings of a folder, plain values in order; raise InputError when it has others."""
    if (before := read_record(folder, advice)) is not None:
        check_same(folder, before, settings, advice)
    write_record(folder, settings)
