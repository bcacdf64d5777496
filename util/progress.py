"""Progress bars."""

import sys
from types import TracebackType

import progressbar


class FrameProgress:
    """A bar over frames with the video's name, processing FPS and the time left."""

    def __init__(self, frames: int) -> None:
        self.done = 0
        self.seconds = 0.0
        self.bar = progressbar.ProgressBar(
            max_value=frames,
            widgets=[
                progressbar.SimpleProgress(),
                " ",
                progressbar.Bar(),
                " ",
                progressbar.Variable("video", width=16, precision=16, format="{formatted_value}"),
                " ",
                progressbar.Variable("fps", precision=3),
                " ",
                progressbar.ETA(),
            ],
        )

    def advance(self, video: str, seconds: float) -> None:
        """Count one more frame, which took `seconds` to process."""
        self.done += 1
        self.seconds += seconds
        self.bar.update(self.done, video=video, fps=self.done / self.seconds)

    def __enter__(self) -> "FrameProgress":
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.finish(dirty=error is not None)


class ByteProgress:
    """A bar over bytes with their amount, the speed and the time left, if the total is known."""

    def __init__(self, label: str, total: int | None) -> None:
        known = total is not None
        self.done = 0
        self.bar = progressbar.ProgressBar(
            max_value=total if known else progressbar.UnknownLength,
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

    def __enter__(self) -> "ByteProgress":
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.finish(dirty=error is not None)


class CountProgress:
    """A bar over equal pieces of work with their rate and the time left."""

    def __init__(self, label: str, total: int) -> None:
        self.done = 0
        self.bar = progressbar.ProgressBar(
            max_value=total,
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
        self.done += 1
        self.bar.update(self.done)

    def __enter__(self) -> "CountProgress":
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.finish(dirty=error is not None)


def _poll_interval() -> float:
    """Return the seconds between two states of a bar: few of them in a log file."""
    return 0.1 if sys.stderr.isatty() else 10
