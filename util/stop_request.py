"""Leaving cleanly when asked to by a signal."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

RAISED_AGAIN = 0.05  # seconds after which a lost exception is raised again


def exit_status(number: int) -> int:
    """Return the exit status by which shells know that a process ended because of a signal."""
    return 128 + number


class Stopped(SystemExit):
    """Raised by SIGTERM or SIGINT: what was begun is cleaned up on the way out."""


def leave_on_signals() -> None:
    """Let SIGTERM and SIGINT raise Stopped, wherever the main thread is.

    Python cannot let exceptions out of some places (`__del__`, hooks of weak references and forks) and
    forgets them; one that was lost there is raised again a moment later.
    """
    for number in StopRequest.SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as a shell does to jobs in the background
            signal.signal(number, _leave)
    sys.unraisablehook = _when_lost


def die_of_signals() -> None:
    """Let SIGTERM and SIGINT end this process at once: when all is done but Python's own end."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in StopRequest.SIGNALS:
        if signal.getsignal(number) == _leave:
            signal.signal(number, signal.SIG_DFL)


def _leave(number: int, frame: FrameType | None) -> None:
    raise Stopped(exit_status(number))


def _when_lost(lost: "sys.UnraisableHookArgs") -> None:
    stopped = lost.exc_value
    if not isinstance(stopped, Stopped):
        sys.__unraisablehook__(lost)
        return

    def raise_again(number: int, frame: FrameType | None) -> None:
        raise Stopped(stopped.code)

    signal.signal(signal.SIGALRM, raise_again)
    signal.setitimer(signal.ITIMER_REAL, RAISED_AGAIN)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Let SIGTERM and SIGINT come only after the block, and never to a process that is forked in it.

    While Python forks it calls hooks, and an exception that a signal raises in one of them is lost.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, StopRequest.SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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

    @property
    def status(self) -> int:
        """The exit status that tells of the signal; that of SIGTERM when another process received it."""
        return exit_status(signal.Signals[self.received or "SIGTERM"])

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
