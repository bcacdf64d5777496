"""Random choice of frames and objects for samples of the fusion network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dataset.training.transforms import Random

NO_OBJECT = -1  # label without pixels

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class FusionRun:
    """The masks of a video from one run of `generate_fusion`."""

    folder: Path
    beginnings: tuple[int, ...]  # frames that masks were propagated from

    def prob(self, begun: int, label: int, frame: int) -> Path:
        """Return the path of an object's probabilities on a frame."""
        return self.folder / f"{begun:05}" / f"{label:05}" / f"{frame:05}.png"

    def labels(self, begun: int) -> list[int]:
        """Return the labels of the objects that were propagated from a frame."""
        return numbers(self.folder / f"{begun:05}")

    def reached(self, begun: int, label: int) -> list[int]:
        """Return the frames that an object was propagated to, with the frame that it was propagated from."""
        return numbers(self.folder / f"{begun:05}" / f"{label:05}")

    def reach(self, label: int, a: int, b: int, t: int) -> bool:
        """Return whether an object was propagated from a to b and t, and from b to t."""
        return all(self.prob(begun, label, frame).is_file() for begun, frame in ((a, b), (a, t), (b, t)))


@dataclass(frozen=True)
class FusionVideo:
    """A video with generated masks of one or several runs."""

    name: str
    frames: list[Path]
    masks: list[Path]
    runs: list[FusionRun]


def numbers(folder: Path) -> list[int]:
    """Return the numbers that name the files or folders in a folder, sorted."""
    return sorted(int(path.stem) for path in folder.iterdir() if path.stem.isdigit())


@dataclass(frozen=True)
class Draw:
    """Random parameters of a sample: frames, objects, and crop."""

    video: FusionVideo
    run: FusionRun
    a: int  # first frame that masks were propagated from
    b: int  # second frame; masks were also propagated to it from a
    t: int  # frame that masks were propagated to from both; it may be a or b
    labels: tuple[int, int]  # the second may be `NO_OBJECT`
    place: tuple[float, float]  # position of the crop between top and bottom, left and right; 0 to 1
    flip: bool

    @property
    def distances(self) -> tuple[float, float]:
        """Return the distances of t from a and from b, relative to that of a from b."""
        between = abs(self.a - self.b)
        return abs(self.a - self.t) / between, abs(self.b - self.t) / between


def draw(video: FusionVideo, random: Random) -> Draw | None:
    """Draw a sample of a video; return None when no frame b fits to a and t.

    Each choice is uniform: the run, the frame a, an object propagated from a, a frame t that it was
    propagated to, and a frame b that it was propagated to from a, and from which it was propagated to t.
    """
    run = chosen(video.runs, random)
    a = chosen(run.beginnings, random)
    label = chosen(run.labels(a), random)
    t = chosen(run.reached(a, label), random)
    seconds = [b for b in run.beginnings if b != a and run.reach(label, a, b, t)]
    if not seconds:
        return None
    b = chosen(seconds, random)
    others = [other for other in run.labels(a) if other != label and run.reach(other, a, b, t)]
    second = chosen(others, random) if others else NO_OBJECT
    place = random.random(), random.random()
    return Draw(video, run, a, b, t, (label, second), place, random.random() < 0.5)


def chosen(choices: Sequence[Choice], random: Random) -> Choice:
    """Draw one of several."""
    return choices[int(random.integers(len(choices)))]
