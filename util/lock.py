"""One run at a time in a folder, or one process at a time at a file."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from util.errors import InputError

LOCK_FILE = ".lock"

log = logging.getLogger(__name__)


@contextmanager
def exclusive(folder: Path, work: str) -> Iterator[None]:
    """Keep other runs out of a folder; it is made, and removed when it is left empty.

    The lock ends with the process, however that ends.

    Args:
        folder: where the run writes.
        work: what the run is, for the error message.

    Raises:
        InputError: another run is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / LOCK_FILE
    lock = FileLock(file, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(f"another {work} is at work in {folder}: wait until it has ended.") from error
    except OSError as error:  # some network file systems have no locks
        log.warning("%s cannot be locked (%s): let no other run write there.", folder, error.strerror)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)  # while it is held: who opened it before finds that it is gone
        lock.release()
        with suppress(OSError):  # something is in it
            folder.rmdir()


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """Hold a file, which is made, when no other process does any more; without locks, at once.

    The lock ends with the process, however that ends.
    """
    lock = FileLock(file)
    with suppress(OSError):  # some network file systems have no locks
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
