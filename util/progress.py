"""Progress bars."""

import sys
import time
from types import TracebackType
from typing import Any

import progressbar
from typing_extensions import Self


class _Progress:
    """A bar that is shown inside a `with` block; False for `shown` counts silently."""

    bar: progressbar.ProgressBar | progressbar.NullBar

    def __init__(self, total: float, shown: bool, *widgets: object) -> None:
        if not shown:
            self.bar = progressbar.NullBar(max_value=total)
            return
        spaced = [part for widget in widgets for part in (widget, " ")]
        few_in_a_log_file = 0.1 if sys.stderr.isatty() else 10  # seconds between two states
        self.bar = progressbar.ProgressBar(
            max_value=total, fd=sys.stderr, min_poll_interval=few_in_a_log_file, widgets=spaced[:-1]
        )

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.finish(dirty=error is not None)


class FrameProgress(_Progress):
    """A bar over frames, or other equal pieces of work: what is being done, the rate and the time left.

    Args:
        frames: how many there will be.
        shown: False for the ranks that leave the talking to the first one.
        rate: name of the rate that is shown.
    """

    def __init__(self, frames: int, shown: bool = True, rate: str = "fps") -> None:
        self.done = 0
        self.seconds = 0.0
        self.start = time.perf_counter()
        self.rate = rate
        name = progressbar.Variable("name", width=16, precision=16, format="{formatted_value}")
        speed = progressbar.Variable(rate, precision=3)
        super().__init__(
            frames, shown, progressbar.SimpleProgress(), progressbar.Bar(), name, speed, progressbar.ETA()
        )

    def advance(self, name: str, seconds: float | None = None) -> None:
        """Count one more frame.

        Args:
            name: what it is part of.
            seconds: its processing time, for the rate shown; by default all time counts.
        """
        self.done += 1
        self.seconds = time.perf_counter() - self.start if seconds is None else self.seconds + seconds
        shown: dict[str, Any] = {"name": name, self.rate: self.done / self.seconds}
        self.bar.update(self.done, **shown)


class PartProgress(_Progress):
    """A bar over work whose end is known as a part alone, with a few words on where it stands."""

    def __init__(self, label: str) -> None:
        words = progressbar.Variable("words", width=1, format="{formatted_value}")
        super().__init__(
            1.0, True, label, progressbar.Percentage(), progressbar.Bar(), words, progressbar.ETA()
        )

    def show(self, done: float, words: str) -> None:
        """Show how much is done, 0 to 1."""
        self.bar.update(done, words=words)
