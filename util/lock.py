"""Lock of a folder: one run at a time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from util.errors import InputError

LOCK_FILE = ".lock"

log = logging.getLogger(__name__)


@contextmanager
def lock_folder(folder: Path, work: str) -> Iterator[None]:
    """Lock a folder against other runs; create it before, and remove it after when it is empty.

    The lock ends with the process, even when that is killed.

    Args:
        folder: the folder that the run writes to.
        work: name of the kind of run, for the error message.

    Raises:
        InputError: another run holds the lock.
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
        file.unlink(missing_ok=True)  # while locked, so that a process that waits for it sees it removed
        lock.release()
        with suppress(OSError):  # the folder is not empty
            folder.rmdir()
