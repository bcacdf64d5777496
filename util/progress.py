"""Progress bars."""

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
