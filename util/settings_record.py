"""What the files of a folder are made with, recorded beside them."""

import json
from pathlib import Path
from typing import Any

from util.errors import InputError
from util.files import atomic_path

SETTINGS_FILE = ".settings.json"


def record_settings(output: Path, settings: dict[str, Any], advice: str, overwrite: bool = False) -> None:
    """Record what a folder is filled with; refuse to go on with other settings.

    Args:
        output: the folder.
        settings: plain values.
        advice: what to do when they differ, for the error message.
        overwrite: replace the record instead.

    Raises:
        InputError: the folder was begun with other settings.
    """
    path, settings = output / SETTINGS_FILE, json.loads(json.dumps(settings))
    if path.is_file() and not overwrite:
        try:
            before = json.loads(path.read_text())
            changed = [name for name in settings if before.get(name) != settings[name]]
        except (ValueError, AttributeError) as error:
            raise InputError(f"{path} is damaged: {advice}") from error
        if changed:
            raise InputError(f"{output} was begun with another {', '.join(changed)}: {advice}")
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=1))
