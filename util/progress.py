"""Progress bars."""

import sys
import time
from types import TracebackType

import progressbar


class FrameProgress:
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

    def __enter__(self) -> "FrameProgress":
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.finish(dirty=error is not None)
