"""The log of edits: one JSON object per line, only appended to.

It is the only copy of the user's work: undo steps through it, and a restart replays it.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from util.errors import InputError

Entry = dict[str, Any]


class EditLog:
    """Appends entries to a file and numbers them from 1 on.

    Args:
        path: the file, created if missing. A last line that a crash cut off is removed; no page was told
            that it was saved.

    Attributes:
        entries: the entries when the file was opened, in order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = list(_whole_lines(path))
        self._next = max((entry["n"] for entry in self.entries), default=0) + 1
        self._file = path.open("ab", buffering=0)  # so that errors of writing appear at once
        self._end = path.stat().st_size
        _sync_folder(path.parent)

    @property
    def next_number(self) -> int:
        """Number of the next entry."""
        return self._next

    def append(self, entry: Mapping[str, Any]) -> Entry:
        """Number an entry and write it to the disk; return it with its number, as "n".

        Raises:
            OSError: the write failed; the file is as before.
        """
        numbered = {"n": self._next, **entry}
        line = json.dumps(numbered, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        written = 0
        try:
            self._file.truncate(self._end)  # what a failed write could not remove
            while written < len(line):
                written += self._file.write(line[written:])
            os.fsync(self._file.fileno())
        except OSError:
            with suppress(OSError):
                self._file.truncate(self._end)
            raise
        self._end += len(line)
        self._next += 1
        return numbered

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _whole_lines(path: Path) -> Iterator[Entry]:
    """Yield the entries of a file, and remove an incomplete last line."""
    if not path.is_file():
        return
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        os.truncate(path, end)
    for number, line in enumerate(content[:end].splitlines(), start=1):
        try:
            entry = json.loads(line)
            entry["n"], entry["kind"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"line {number} of {path} is damaged: remove it and all later lines to continue from there."
            ) from error
        yield entry


def _sync_folder(folder: Path) -> None:
    """Write a folder's list of files to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
