"""Files that are either whole or not there, and telling files apart."""

import hashlib
import os
import re
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from util.errors import InputError

HOST = socket.gethostname().replace(".", "-")
TEMPORARY = re.compile(r"\..*\.([^.]*)\.(\d+)\.part.*")  # of `atomic_path`: host and process
NAME_BYTES = 255  # that a file's name may have
QUIET = 120  # seconds without a write after which a file of another host is taken to be left over


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block succeeds.

    The temporary file keeps the suffix of `path` (writers choose a format by it), starts with a
    dot, and is removed when the block fails. Missing parent folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(_temporary_name(path))
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _temporary_name(path: Path) -> str:
    end = f".{HOST}.{os.getpid()}.part{path.suffix}"
    whole = f".{path.stem}{end}"
    if len(os.fsencode(whole)) <= NAME_BYTES:
        return whole
    return f".{hashlib.sha256(os.fsencode(path.stem)).hexdigest()[:16]}{end}"


def check_name(path: Path) -> None:
    """Make sure that a file can have its name; raises InputError when that is too long."""
    if len(os.fsencode(path.name)) > NAME_BYTES:
        raise InputError(
            f"a result would be called {path.name}, and names of files have at most {NAME_BYTES} bytes: "
            "shorten the name that it is made of."
        )


def check_output_file(path: Path) -> None:
    """Make sure that a file can be written, before the work whose result it is to be; its folder is made.

    Raises:
        InputError: the path is a folder.
        OSError: its folder cannot be made or written to.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of `atomic_path` that killed processes left in a folder, but no other's."""
    for path in folder.glob(".*.part*"):
        writer = TEMPORARY.fullmatch(path.name)
        with suppress(FileNotFoundError):  # it has become what it was to become
            if writer is not None and not _is_written(path, writer[1], int(writer[2])):
                path.unlink()


def _is_written(path: Path, host: str, process: int) -> bool:
    """Tell whether the process that made a temporary file may still be at it."""
    if host != HOST:
        return time.time() - path.stat().st_mtime < QUIET
    if process == os.getpid():  # of an earlier life: containers give out the same few numbers
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
