"""Progress bars."""

import sys
import time
from types import TracebackType

import progressbar
from typing_extensions import Self


class _Progress:
    """A bar that is shown inside a `with` block."""

    bar: progressbar.ProgressBar

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.finish(dirty=error is not None)


class FrameProgress(_Progress):
    """A bar over frames with what is being done, frames a second and the time left.

    Args:
        frames: how many there will be.
        shown: False counts silently, for the ranks that leave the talking to the first one.
    """

    def __init__(self, frames: int, shown: bool = True) -> None:
        self.done = 0
        self.seconds = 0.0
        self.start = time.perf_counter()
        if not shown:
            self.bar = progressbar.NullBar(max_value=frames)
            return
        self.bar = progressbar.ProgressBar(
            max_value=frames,
            fd=sys.stderr,
            min_poll_interval=_poll_interval(),
            widgets=[
                progressbar.SimpleProgress(),
                " ",
                progressbar.Bar(),
                " ",
                progressbar.Variable("name", width=16, precision=16, format="{formatted_value}"),
                " ",
                progressbar.Variable("fps", precision=3),
                " ",
                progressbar.ETA(),
            ],
        )

    def advance(self, name: str, seconds: float | None = None) -> None:
        """Count one more frame.

        Args:
            name: what it is part of.
            seconds: its processing time, for the rate shown; by default all time counts.
        """
        self.done += 1
        self.seconds = time.perf_counter() - self.start if seconds is None else self.seconds + seconds
        self.bar.update(self.done, name=name, fps=self.done / self.seconds)


class ByteProgress(_Progress):
    """A bar over bytes with their amount, the speed and the time left, if the total is known."""

    def __init__(self, label: str, total: int | None) -> None:
        known = total is not None
        self.done = 0
        self.bar = progressbar.ProgressBar(
            max_value=total if known else progressbar.UnknownLength,
            fd=sys.stderr,
            min_poll_interval=_poll_interval(),
            widgets=[
                f"{label} ",
                progressbar.Percentage() if known else "",
                " ",
                progressbar.Bar() if known else progressbar.BouncingBar(),
                " ",
                progressbar.DataSize(),
                *([" of ", progressbar.DataSize("max_value")] if known else []),
                " ",
                progressbar.FileTransferSpeed(),
                " ",
                progressbar.AdaptiveETA() if known else progressbar.Timer(),
            ],
        )

    def advance(self, count: int) -> None:
        """Count some more bytes."""
        self.done += count
        self.bar.update(self.done)


class CountProgress(_Progress):
    """A bar over equal pieces of work with their rate and the time left.

    Args:
        label: what they are.
        total: how many there will be.
        shown: False counts silently, as in `FrameProgress`.
    """

    def __init__(self, label: str, total: int, shown: bool = True) -> None:
        self.done = 0
        if not shown:
            self.bar = progressbar.NullBar(max_value=total)
            return
        self.bar = progressbar.ProgressBar(
            max_value=total,
            fd=sys.stderr,
            min_poll_interval=_poll_interval(),
            widgets=[
                f"{label} ",
                progressbar.SimpleProgress(),
                " ",
                progressbar.Bar(),
                " ",
                progressbar.FileTransferSpeed(unit="", prefixes=("",)),
                " ",
                progressbar.AdaptiveETA(),
            ],
        )

    def advance(self) -> None:
        """Count one more piece."""
        self.advance_to(self.done + 1)

    def advance_to(self, done: int) -> None:
        """Count all pieces up to one."""
        self.done = done
        self.bar.update(done)


class PartProgress(_Progress):
    """A bar over work whose end is known as a part alone, with a few words on where it stands."""

    def __init__(self, label: str) -> None:
        self.bar = progressbar.ProgressBar(
            max_value=1.0,
            fd=sys.stderr,
            min_poll_interval=_poll_interval(),
            widgets=[
                f"{label} ",
                progressbar.Percentage(),
                " ",
                progressbar.Bar(),
                " ",
                progressbar.Variable("words", width=1, format="{formatted_value}"),
                " ",
                progressbar.ETA(),
            ],
        )

    def show(self, done: float, words: str) -> None:
        """Show how much is done, 0 to 1."""
        self.bar.update(done, words=words)


def _poll_interval() -> float:
    """Return the seconds between two states of a bar: few of them in a log file."""
    return 0.1 if sys.stderr.isatty() else 10
