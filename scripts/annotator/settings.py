"""What a computing process is told when it starts."""

from dataclasses import dataclass
from pathlib import Path

from util.promptable import CLICK_MODEL, FIND_MODEL


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker process needs to know of the run."""

    video: Path
    models: Path  # folder in which weights of the other networks are looked for
    room: Path  # folder for what takes much space for a while
    size: int  # shorter side of frames for the network
    device: str
    precision: str  # one of `util.device.PRECISIONS`
    no_tf32: bool
    click_model: str = CLICK_MODEL  # see `model.interactive.scribbled_clicks.point_segmenter`
    find_model: str = FIND_MODEL
