"""Which frames and objects of a video make a sample for the fusion network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dataset.training.transforms import Random

NO_OBJECT = -1  # a label that no pixel has

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class FusionRun:
    """What one run of `generate_fusion` made of a video."""

    folder: Path
    beginnings: tuple[int, ...]  # frames that masks were carried from

    def prob(self, begun: int, label: int, frame: int) -> Path:
        """Return the file of an object's probabilities on a frame."""
        return self.folder / f"{begun:05}" / f"{label:05}" / f"{frame:05}.png"

    def labels(self, begun: int) -> list[int]:
        """Return the objects that were carried from a frame."""
        return numbers(self.folder / f"{begun:05}")

    def reached(self, begun: int, label: int) -> list[int]:
        """Return the frames that an object was carried to, the one it was carried from included."""
        return numbers(self.folder / f"{begun:05}" / f"{label:05}")

    def reach(self, label: int, a: int, b: int, t: int) -> bool:
        """Tell whether an object was carried from a to b and t, and from b to t."""
        return all(self.prob(begun, label, frame).is_file() for begun, frame in ((a, b), (a, t), (b, t)))


@dataclass(frozen=True)
class FusionVideo:
    """A video of which data were made, in one run or several."""

    name: str
    frames: list[Path]
    masks: list[Path]  # as many
    runs: list[FusionRun]


def numbers(folder: Path) -> list[int]:
    """Return the numbers that name the files or folders in a folder, sorted."""
    return sorted(int(path.stem) for path in folder.iterdir() if path.stem.isdigit())


@dataclass(frozen=True)
class Draw:
    """What is drawn for a sample: frames, objects, and a crop."""

    video: FusionVideo
    run: FusionRun
    a: int  # the first frame that masks were carried from
    b: int  # the second; it was reached from the first
    t: int  # reached from both, perhaps one of them
    labels: tuple[int, int]  # the second may be `NO_OBJECT`
    place: tuple[float, float]  # of the crop between top and bottom, left and right; 0 to 1
    flip: bool

    @property
    def distances(self) -> tuple[float, float]:
        """Return how far t lies from a and from b; 1 is the distance of these two."""
        between = abs(self.a - self.b)
        return abs(self.a - self.t) / between, abs(self.b - self.t) / between


def draw(video: FusionVideo, random: Random) -> Draw | None:
    """Draw a sample of a video; None where no second frame fits to the first and t.

    Every choice is uniform over what there is: the run, the frame a, an object carried from it, a frame t
    that it was carried to, then a frame b that it was carried to and from which t was reached, too.
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
