"""Processes that end with their parent."""

import os
import signal
import threading
import time

PARENT_CHECK = 0.5  # seconds between checks that the parent is alive


def end_with_parent(number: signal.Signals) -> None:
    """Send this process a signal when its parent process has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK)
        os.kill(os.getpid(), number)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
