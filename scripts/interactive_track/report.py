"""Scores and times of the interactive track: a file per sample, and a table of all samples."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from util.errors import InputError
from util.files import atomic_path

SAMPLES_FOLDER = "samples"
REPORT_FILE = "report.csv"
HEADER = "sequence,scribble_idx,interaction,object_id,frame,jaccard,contour,j_and_f,timing"


class SampleKey(NamedTuple):
    """Names a sample."""

    sequence: str
    scribble_idx: int  # number of its scribble file


@dataclass(frozen=True)
class Interaction:
    """One submission."""

    seconds: float  # from the scribbles to the masks
    scores: NDArray[np.float64]  # T x K x 2: J and F of each object on each frame


@dataclass
class SampleReport:
    """The interactions of one sample so far."""

    key: SampleKey
    labels: tuple[int, ...]  # labels of the K objects
    by_robot: bool = False  # whether the robot drew the first scribbles, without a scribble file
    interactions: list[Interaction] = field(default_factory=list)
    timed_out: bool = False  # whether a submission came too late and does not count
    finished: bool = False  # whether there are no more interactions

    def rows(self) -> Iterator[tuple[str | float, ...]]:
        """Yield the rows of the report, by interaction (from 1), frame and object; see `HEADER`."""
        for number, interaction in enumerate(self.interactions, 1):
            for frame, objects in enumerate(interaction.scores.tolist()):
                for label, (j, f) in zip(self.labels, objects, strict=True):
                    yield *self.key, number, label, frame, j, f, (j + f) / 2, interaction.seconds


def read_samples(folder: Path, keys: Iterable[SampleKey]) -> dict[SampleKey, SampleReport]:
    """Read the samples of a run that have a file; raise InputError for a damaged file."""
    samples = {}
    for key in keys:
        path = _sample_path(folder, key)
        if path.is_file():
            try:
                content = json.loads(path.read_text())
                read = [
                    Interaction(each["seconds"], np.array(each["scores"])) for each in content["interactions"]
                ]
                fixed = {"key": key, "labels": tuple(content["labels"]), "interactions": read}
                samples[key] = SampleReport(**{**content, **fixed})
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path} is damaged: remove it, and its sample is run again.") from error
    return samples


def write_sample(folder: Path, sample: SampleReport) -> None:
    """Write the file of a sample."""
    interactions = [{"seconds": i.seconds, "scores": i.scores.tolist()} for i in sample.interactions]
    with atomic_path(_sample_path(folder, sample.key)) as temporary:
        temporary.write_text(json.dumps(vars(sample) | {"interactions": interactions}))


def write_report(folder: Path, samples: Iterable[SampleReport]) -> None:
    """Write the table of samples."""
    with atomic_path(folder / REPORT_FILE) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(HEADER.split(","))
        for sample in samples:
            table.writerows(sample.rows())


def _sample_path(folder: Path, key: SampleKey) -> Path:
    return folder / SAMPLES_FOLDER / f"{key.sequence}_{key.scribble_idx:03}.json"
