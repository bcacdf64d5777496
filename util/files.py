"""Atomic writes, checks of output paths, and digests of files."""

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
TEMPORARY = re.compile(r"\..*\.[^.]*\.\d+\.part(\.[^.]*)?")  # names from `atomic_path`, with host and process
NAME_BYTES = 255  # limit of a file's name in bytes
QUIET = 120  # seconds without a write after which a temporary file is a leftover


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    The temporary name starts with a dot and keeps the suffix of `path`, by which writers choose a format. The
    file is removed when the block fails. Missing parent folders are created.
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
    """Raise InputError when a file's name is too long."""
    if len(os.fsencode(path.name)) > NAME_BYTES:
        raise InputError(
            f"the name {path.name} of a result is longer than {NAME_BYTES} bytes, the limit of file names: "
            "shorten the name of the input that it is made from."
        )


def check_output_file(path: Path) -> None:
    """Check that a result file can be written, and create its folder.

    Raises:
        InputError: the path is a folder.
        OSError: its folder cannot be created or written to.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of `atomic_path` that killed processes left in a folder."""
    for path in folder.glob(".*.part*"):
        with suppress(FileNotFoundError):  # renamed in the meantime
            if TEMPORARY.fullmatch(path.name) and time.time() - path.stat().st_mtime > QUIET:
                path.unlink()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    return file_digest(path, "sha256")


def file_digest(path: Path, algorithm: str) -> str:
    """Return the digest of a file by an algorithm of `hashlib`, as hexadecimal text."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
