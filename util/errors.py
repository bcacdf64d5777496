"""The one error type for bad input, and how scripts report it."""

import logging
import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one sentence: what, where, what to do."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's `main`; bad input and failed file access end as one sentence and exit status 1."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO)
    try:
        main()
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
