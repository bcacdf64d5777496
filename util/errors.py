"""The one error type for bad input, and how scripts report it and what the system refuses."""

import errno
import logging
import sys
from collections.abc import Callable
from io import TextIOWrapper

from util.stop_request import die_of_signals, leave_on_signals

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # full, over a user's quota, larger than files may be
NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}
NO_FOLDER = {errno.EEXIST, errno.ENOTDIR}  # a file is where a folder should be


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one sentence: what, where, what to do."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's `main`.

    Bad input and failed file access end as one sentence and exit status 1; Ctrl-C and SIGTERM end
    silently, after cleaning up, with 130 and 143.
    """
    leave_on_signals()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files can be any bytes
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO)
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {explained(error)}")
    finally:
        die_of_signals()


def explained(error: OSError) -> str:
    """Say in one sentence what the system refused, where, and what to do."""
    if error.errno is None:  # raised with a sentence of its own
        return str(error)
    what = error.strerror or type(error).__name__
    where = error.filename2 or error.filename
    place = f"{where}: {what}" if where else f"a file could not be written or read: {what}"
    if error.errno in NO_ROOM:
        return f"{place}; make room, then run the same command again."
    if error.errno in NO_RIGHT:
        return f"{place}; give another place, or the right to read and write there."
    if error.errno in NO_FOLDER:
        return f"{place}; a file is in the way of a folder: give another place, or move it."
    return f"{place}."
