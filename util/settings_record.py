"""What the files of a folder are made with, recorded beside them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from util.errors import InputError
from util.files import atomic_path

SETTINGS_FILE = ".settings.json"
DIGEST = re.compile(r"[0-9a-f]{16,}")  # says nothing to a reader


def read_settings(output: Path, advice: str) -> dict[str, Any] | None:
    """Return the settings recorded in a folder, or None when there are none.

    Args:
        output: the folder.
        advice: what to do when the record is damaged, for the error message.

    Raises:
        InputError: the record is damaged.
    """
    path = output / SETTINGS_FILE
    if not path.is_file():
        return None
    try:
        settings = json.loads(path.read_text())
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise InputError(f"{path} is damaged: {advice}")
    return settings


def write_settings(output: Path, settings: Mapping[str, Any]) -> None:
    """Record plain values in a folder, in place of what is recorded there."""
    with atomic_path(output / SETTINGS_FILE) as temporary:
        temporary.write_text(json.dumps(settings, indent=1))


def check_same(output: Path, before: Mapping[str, Any], settings: Mapping[str, Any], advice: str) -> None:
    """Make sure that a folder was begun with these settings.

    Args:
        output: the folder, for the error message.
        before: what is recorded there; entries that are not in `settings` do not count.
        settings: plain values, as `plain` returns them.
        advice: what to do when they differ, for the error message.

    Raises:
        InputError: says what differs, or that an earlier version of the program recorded too little.
    """
    missing = [name for name in settings if name not in before]
    if missing:
        raise InputError(
            f"{output} was filled by another version of this program, which did not record its "
            f"{', '.join(missing)}: {advice}"
        )
    changed = [
        _difference(name, before[name], value) for name, value in settings.items() if before[name] != value
    ]
    if changed:
        raise InputError(f"{output} was begun with another {', '.join(changed)}: {advice}")


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they are when they have been recorded and read again."""
    return json.loads(json.dumps(settings))


def record_settings(output: Path, settings: dict[str, Any], advice: str) -> None:
    """Record what a folder is filled with; refuse to go on with other settings.

    Args:
        output: the folder.
        settings: plain values.
        advice: what to do when they differ, for the error message.

    Raises:
        InputError: the folder was begun with other settings.
    """
    before = read_settings(output, advice)
    if before is not None:
        check_same(output, before, plain(settings), advice)
    write_settings(output, settings)


def _difference(name: str, before: object, now: object) -> str:
    """Name a setting, with its two values where they tell something."""
    if isinstance(before, dict) and isinstance(now, dict):
        entries = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        return f"{name} of {_some(entries)}"
    if isinstance(before, list) and isinstance(now, list):
        gone = sorted(set(before) - set(now))
        come = sorted(set(now) - set(before))
        parts = [f"{sign} {_some(each)}" for sign, each in (("without", gone), ("with", come)) if each]
        return f"{name} (now {' and '.join(parts) or 'in another order'})"
    if any(isinstance(value, str) and DIGEST.fullmatch(value) for value in (before, now)):
        return name
    return f"{name} ({before}, now {now})"


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
