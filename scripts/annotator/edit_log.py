"""The log of edits: one JSON object per line, only appended to.

It is the only copy of the user's work: undo steps through it, and a restart replays it.
"""

import errno
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
        path: the file, created if missing. A last line that a crash cut off is removed.

    Attributes:
        entries: the entries when the file was opened, in order.
        next_number: number of the next entry.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = list(_whole_lines(path))
        self.next_number = max((entry["n"] for entry in self.entries), default=0) + 1
        self._file = path.open("ab", buffering=0)  # so that errors of writing appear at once
        self._end = path.stat().st_size
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)  # the folder's list of files
        os.close(folder)

    def append(self, entry: Mapping[str, Any]) -> Entry:
        """Number an entry and write it to the disk; return it with its number, as "n".

        Raises:
            OSError: the write failed; the file is as before.
        """
        numbered = {"n": self.next_number, **entry}
        line = json.dumps(numbered, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        try:
            self._file.truncate(self._end)  # what a failed write could not remove
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError:
            with suppress(OSError):
                self._file.truncate(self._end)
            raise
        self._end += len(line)
        self.next_number += 1
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
