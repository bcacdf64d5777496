"""The settings of a computing process."""

from dataclasses import dataclass
from pathlib import Path

import torch

from model.fast_inference.precision import is_reduced
from util.device import set_up_device
from util.promptable import CLICK_MODEL, FIND_MODEL


@dataclass(frozen=True)
class WorkerSettings:
    """The settings of a run that a computing process needs."""

    video: Path
    models: Path  # folder of the weights of S2M and of the fusion network
    temporary: Path  # folder for large temporary files
    size: int  # shorter side of frames for the network
    device: str
    precision: str  # one of `util.device.PRECISIONS`
    no_tf32: bool
    click_model: str = CLICK_MODEL  # see `model.interactive.scribbled_clicks.point_segmenter`
    find_model: str = FIND_MODEL

    def computing(self, size: tuple[int, int]) -> tuple[torch.device, bool]:
        """Return the device, and whether networks compute in reduced precision on frames of `size` (H, W)."""
        device = set_up_device(self.device, self.no_tf32)
        return device, is_reduced(self.precision, device, size)
