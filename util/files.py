"""Files that are either whole or not there, and telling files apart."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block succeeds.

    The temporary file keeps the suffix of `path` (writers choose a format by it), starts with a
    dot, and is removed when the block fails. Missing parent folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of `atomic_path` that a killed run left in a folder."""
    for path in folder.glob(".*.part*"):
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def set_aside(path: Path, name: str | None = None) -> Path:
    """Rename a file that turned out wrong to `<name>.wrong`, in place of an earlier one; return its path."""
    aside = path.with_name(f"{name or path.name}.wrong")
    path.replace(aside)
    return aside
