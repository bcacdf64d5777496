"""Clean exits on SIGTERM and SIGINT."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

SHELL_STATUS = 128  # added to a signal's number: the exit status of a process that the signal ended
RAISED_AGAIN = 0.05  # seconds after which a lost exception is raised again


class Stopped(SystemExit):
    """Raised by SIGTERM or SIGINT, so that `finally` blocks clean up."""


def leave_on_signals() -> None:
    """Let SIGTERM and SIGINT raise Stopped in the main thread.

    Python drops exceptions in some places (`__del__`, weak reference callbacks, fork hooks); a Stopped that
    was dropped there is raised again shortly after.
    """
    for number in StopRequest.SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # shells ignore SIGINT for background jobs
            signal.signal(number, _leave)
    sys.unraisablehook = _when_lost


def die_of_signals() -> None:
    """Let SIGTERM and SIGINT end this process at once; for the end of a script."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in StopRequest.SIGNALS:
        if signal.getsignal(number) == _leave:
            signal.signal(number, signal.SIG_DFL)


def _leave(number: int, frame: FrameType | None) -> None:
    raise Stopped(SHELL_STATUS + number)


def _when_lost(lost: "sys.UnraisableHookArgs") -> None:
    stopped = lost.exc_value
    if not isinstance(stopped, Stopped):
        sys.__unraisablehook__(lost)
        return

    def raise_again(number: int, frame: FrameType | None) -> None:
        raise Stopped(stopped.code)

    signal.signal(signal.SIGALRM, raise_again)
    signal.setitimer(signal.ITIMER_REAL, RAISED_AGAIN)


class StopRequest:
    """Records SIGTERM or SIGINT inside a `with` block, without ending the process.

    Launchers send these signals to each process again, so a second one changes nothing.

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
        """Exit status for the signal; that of SIGTERM when another process received it."""
        return SHELL_STATUS + signal.Signals[self.received or "SIGTERM"]

    def __enter__(self) -> "StopRequest":
        self.before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


@contextmanager
def hold_back_signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT wait until the end of the block, also in the processes that it starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, StopRequest.SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_process_group(worker: int) -> None:
    """Detach a loading process from signals to the process group (Ctrl-C); it ends with its parent.

    It is started with signals held back, and those that the group has received are dropped.
    """
    os.setsid()
    while signal.sigtimedwait(StopRequest.SIGNALS, 0):
        pass
    signal.pthread_sigmask(signal.SIG_UNBLOCK, StopRequest.SIGNALS)
