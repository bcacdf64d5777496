"""Rounds of propagation in the computing process: temporary, on InferenceCore."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import normalise
from dataset.video import working_size
from model import InferenceCore, PropagationNetwork, load_network
from scripts.annotator.pictures import Pictures

if TYPE_CHECKING:
    from scripts.annotator.worker import WorkerSettings


class WorkingFrames:
    """The frames of a video as the network sees them, decoded when asked for."""

    def __init__(self, pictures: Pictures, short_side: int) -> None:
        self.pictures = pictures
        self.size = (
            working_size(pictures.size, short_side) if min(pictures.size) > short_side else pictures.size
        )

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Tensor:
        image = normalise(self.pictures.read(index))
        if self.size == self.pictures.size:
            return image
        return F.interpolate(image[None], self.size, mode="bicubic", align_corners=False, antialias=True)[0]

    def reduced(self, labels: NDArray[np.uint8]) -> Tensor:
        """Bring a label map `H x W` to the size of the frames."""
        mask = torch.from_numpy(labels.copy())
        return F.interpolate(mask[None, None], self.size, mode="nearest")[0, 0]


class Rounds:
    def __init__(self, settings: "WorkerSettings") -> None:
        self.settings = settings
        self.pictures = Pictures(settings.video)
        self.frames = WorkingFrames(self.pictures, settings.size)
        self._networks: dict[Path, PropagationNetwork] = {}

    def run(self, request: dict[str, Any], is_stopped: Callable[[], bool]) -> Iterator[tuple[Any, ...]]:
        path = request["weights"]
        network = self._networks.setdefault(path, load_network(path, amp=self.settings.amp))
        given = {frame: self.frames.reduced(labels) for frame, (_, labels) in request["given"].items()}
        frames = [f for f in range(request["first"], request["last"] + 1) if f not in given]
        done = set()
        for step in ([1] if request["forward"] else []) + ([-1] if request["backward"] else []):
            for start in sorted(given)[::step]:
                run = []
                frame = start + step
                while request["first"] <= frame <= request["last"] and frame not in given:
                    run.append(frame)
                    frame += step
                if not run:
                    continue
                engine = InferenceCore(network)
                for other in sorted(given, key=lambda f: f == start):
                    engine.step(self.frames[other], given[other])
                for frame in run:
                    prob = engine.step(self.frames[frame])
                    yield "frame", frame, engine.label_map(prob, self.pictures.size).numpy()
                    if is_stopped():
                        return
