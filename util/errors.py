"""The error type for bad input, and how scripts report errors."""

import errno
import logging
import sys
from collections.abc import Callable
from io import TextIOWrapper

from util.stop_request import die_of_signals, leave_on_signals

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # disk full, quota exceeded, file too large
NO_FOLDER = {errno.EEXIST, errno.ENOTDIR}  # a file is where a folder should be


class InputError(ValueError):
    """Bad input of the user; the message is one sentence: what is wrong, where, and what to do."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's `main`.

    Bad input and failed file access print one sentence and exit with status 1. Ctrl-C and SIGTERM clean up
    and exit silently, with status 130 and 143.
    """
    leave_on_signals()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # file names can be any bytes
    log_to_stderr()
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {explain_error(error)}")
    finally:
        die_of_signals()


def log_to_stderr() -> None:
    """Print the log from INFO on to stderr; every process of a program calls this once."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO)


def explain_error(error: OSError) -> str:
    """Return one sentence about an error of the operating system: what, where, and what to do."""
    if error.errno is None:  # raised by Python code, with its own sentence
        return str(error)
    what = error.strerror or type(error).__name__
    where = error.filename2 or error.filename
    place = f"{where}: {what}" if where else f"a file could not be written or read: {what}"
    if error.errno in NO_SPACE:
        return f"{place}; free disk space, then run the same command again."
    if error.errno in NO_FOLDER:
        return f"{place}; a file is in the way of a folder: give another place, or move it."
    return f"{place}."
