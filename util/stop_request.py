"""Leaving cleanly when asked to by a signal."""

import os
import signal
from types import FrameType, TracebackType


class StopRequest:
    """Remembers SIGTERM or SIGINT inside a `with` block instead of dying of it.

    Launchers repeat these signals to every process, so a second one changes nothing.

    Attributes:
        received: name of the last signal, or None.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.received: str | None = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name

    def __enter__(self) -> "StopRequest":
        self.before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


def leave_process_group(worker: int) -> None:
    """Keep a loading process from signals to the whole group (Ctrl-C); it ends with its parent."""
    os.setsid()
