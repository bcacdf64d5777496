"""Progress bars on the terminal."""

import sys
import time
from types import TracebackType

from tqdm import tqdm
from typing_extensions import Self

tqdm.monitor_interval = 0  # no thread, which a fork would lose
COUNTED = "{percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt}{postfix}, ETA {remaining}"
SHARE = "{desc} {percentage:3.0f}% |{bar}|{postfix}, ETA {remaining}"


class _Progress:
    """A bar that is shown inside a `with` block."""

    def __init__(self, total: float, shown: bool, form: str, label: str = "") -> None:
        interval = 0.1 if sys.stderr.isatty() else 10  # seconds; a log file gets few states
        self.bar = tqdm(
            total=total, desc=label, disable=not shown, mininterval=interval, bar_format=form, file=sys.stderr
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()


class FrameProgress(_Progress):
    """A bar over frames, or other equal pieces of work, with a name, the rate and the time left.

    Args:
        frames: number of frames.
        shown: whether to show it; only the first rank does.
        rate: name of the rate.
    """

    def __init__(self, frames: int, shown: bool = True, rate: str = "FPS") -> None:
        self.done = 0
        self.seconds = 0.0
        self.start = time.perf_counter()
        self.rate = rate
        super().__init__(frames, shown, COUNTED)

    def advance(self, name: str, seconds: float | None = None) -> None:
        """Count one more frame.

        Args:
            name: name to show, such as that of the video.
            seconds: processing time of the frame, for the rate; None counts all time since the start.
        """
        self.done += 1
        self.seconds = time.perf_counter() - self.start if seconds is None else self.seconds + seconds
        self.bar.set_postfix_str(f"{self.done / self.seconds:.2f} {self.rate}, {name}", refresh=False)
        self.bar.update()


class PartProgress(_Progress):
    """A bar over work of unknown length, by the share that is done, with a few words on its state."""

    def __init__(self, label: str) -> None:
        super().__init__(1.0, True, SHARE, label)

    def show(self, done: float, words: str) -> None:
        """Show the share that is done, 0 to 1."""
        self.bar.set_postfix_str(words, refresh=False)
        self.bar.update(done - self.bar.n)
