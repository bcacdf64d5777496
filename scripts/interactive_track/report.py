"""Scores and times of the interactive track: a file per sample, and a table of all samples."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from util.errors import InputError
from util.files import atomic_path, remove_leftovers

SAMPLES_FOLDER = "samples"
REPORT_FILE = "report.csv"


class SampleKey(NamedTuple):
    """Names a sample."""

    sequence: str
    scribble_idx: int  # number of its scribble file


class Row(NamedTuple):
    """A line of the report."""

    sequence: str
    scribble_idx: int
    interaction: int  # from 1
    object_id: int
    frame: int
    jaccard: float
    contour: float
    j_and_f: float
    timing: float  # seconds of the interaction


@dataclass(frozen=True)
class Interaction:
    """One submission."""

    seconds: float  # from the scribbles to the masks
    scores: NDArray[np.float64]  # T x K x 2: J and F of each object on each frame


@dataclass
class SampleReport:
    """The interactions of one sample so far.

    Attributes:
        key: key of the sample.
        labels: labels of the K objects.
        by_robot: whether the robot drew the first scribbles, without a scribble file.
        interactions: interactions in order.
        timed_out: whether a submission came too late and does not count.
        finished: whether there are no more interactions.
    """

    key: SampleKey
    labels: tuple[int, ...]
    by_robot: bool = False
    interactions: list[Interaction] = field(default_factory=list)
    timed_out: bool = False
    finished: bool = False

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the report, by interaction, frame and object."""
        for number, interaction in enumerate(self.interactions, 1):
            for frame, objects in enumerate(interaction.scores.tolist()):
                for label, (j, f) in zip(self.labels, objects, strict=True):
                    yield Row(*self.key, number, label, frame, j, f, (j + f) / 2, interaction.seconds)

    def to_text(self) -> str:
        """Return the sample as JSON for `from_text`."""
        interactions = [{"seconds": i.seconds, "scores": i.scores.tolist()} for i in self.interactions]
        return json.dumps(vars(self) | {"interactions": interactions})

    @classmethod
    def from_text(cls, text: str) -> "SampleReport":
        """Return the sample of `to_text`; raise ValueError, KeyError or TypeError for another text."""
        content = json.loads(text)
        interactions = [Interaction(i["seconds"], np.array(i["scores"])) for i in content["interactions"]]
        return cls(
            SampleKey(*content["key"]),
            tuple(content["labels"]),
            content["by_robot"],
            interactions,
            content["timed_out"],
            content["finished"],
        )


class ReportFolder:
    """The files of a run, all written atomically.

    Args:
        folder: folder of the files.
        keys: keys of all samples of the data set, in order.
    """

    def __init__(self, folder: Path, keys: Sequence[SampleKey]) -> None:
        self.folder = folder
        self.paths = {
            key: folder / SAMPLES_FOLDER / f"{key.sequence}_{key.scribble_idx:03}.json" for key in keys
        }

    def remove_leftovers(self) -> None:
        """Remove temporary files of killed processes."""
        remove_leftovers(self.folder)
        remove_leftovers(self.folder / SAMPLES_FOLDER)

    def samples(self) -> dict[SampleKey, SampleReport]:
        """Read the samples that are there, also those that other processes have written."""
        return {key: _read_sample(path) for key, path in self.paths.items() if path.is_file()}

    def write_sample(self, sample: SampleReport) -> None:
        """Write a sample."""
        with atomic_path(self.paths[sample.key]) as temporary:
            temporary.write_text(sample.to_text())

    def write_report(self, samples: Iterable[SampleReport]) -> None:
        """Write the table of samples."""
        with atomic_path(self.folder / REPORT_FILE) as temporary, temporary.open("w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(Row._fields)
            for sample in samples:
                table.writerows(sample.rows())


def _read_sample(path: Path) -> SampleReport:
    try:
        return SampleReport.from_text(path.read_text())
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: remove it, and its sample is run again.") from error
