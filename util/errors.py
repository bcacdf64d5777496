"""The one error type for bad input, and how scripts report it."""

import logging
import sys
from collections.abc import Callable

from util.stop_request import die_of_signals, leave_on_signals


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one sentence: what, where, what to do."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's `main`.

    Bad input and failed file access end as one sentence and exit status 1; Ctrl-C and SIGTERM end
    silently, after cleaning up, with 130 and 143.
    """
    leave_on_signals()
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO)
    try:
        main()
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    finally:
        die_of_signals()
