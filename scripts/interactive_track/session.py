"""The session of the DAVIS interactive track: it gives the robot's scribbles and takes a method's masks."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any

from numpy.typing import ArrayLike
from typing_extensions import Self

from dataset.interactive.davis_interactive import find_sequences
from scripts.interactive_track.measures import METRICS
from scripts.interactive_track.report import (
    SAMPLES_FOLDER,
    SampleKey,
    SampleReport,
    read_samples,
    write_report,
    write_sample,
)
from scripts.interactive_track.running_sample import (
    ROBOT_SEED,
    RunningSample,
    validate_candidates,
    validate_masks,
)
from scripts.interactive_track.summary import summarise
from util.data_roots import DAVIS_2017
from util.errors import InputError
from util.files import atomic_path, remove_leftovers
from util.lock import lock_folder
from util.settings_record import record_settings

SUMMARY_FILE = "summary.json"
INTERACTIONS = 8
SECONDS = 30  # per interaction and object

log = logging.getLogger(__name__)


class DavisInteractiveSession:
    """Goes through the samples of a data set; a sample is a sequence with a file of first scribbles.

    Use it as a context manager. For each interaction `scribbles_iterator` gives the scribbles, and
    `submit_masks` takes the masks; the method's time is that between the two. A sample ends after
    `max_nb_interactions`, or when its time is over. A later submission does not count.

    Args:
        host: only "localhost": there is no server.
        davis_root: data set, see `davis_interactive.find_sequences`. Without scribble files the robot draws
            the first scribbles, on an empty mask.
        subset: name of the list of sequences.
        max_nb_interactions: number of interactions of a sample.
        max_time: time limit of a sample in seconds, per object.
        metric_to_optimize: "J", "F" or "J_AND_F", for the summary and the choice of the robot's frame.
        report_save_dir: folder for `report.csv` and `summary.json`, written after each sample; None writes no
            files. Finished samples in it are not run again.
        scorer_time: whether the time of scoring and robot counts against `max_time`, as in the official rule.
        settings: plain values on which the method's masks depend.

    Raises:
        InputError: the data set or an argument is not valid; on entering, the folder was begun with other
            rules, data or settings.
    """

    def __init__(
        self,
        host: str = "localhost",
        davis_root: str | Path = DAVIS_2017 / "trainval",
        subset: str = "val",
        max_nb_interactions: int = INTERACTIONS,
        max_time: float = INTERACTIONS * SECONDS,
        metric_to_optimize: str = "J_AND_F",
        report_save_dir: str | Path | None = None,
        *,
        scorer_time: bool = True,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if host != "localhost":
            raise InputError(f"there is no server at {host}: give the host localhost.")
        if metric_to_optimize not in METRICS:
            raise InputError(f"there is no metric {metric_to_optimize}: give one of {', '.join(METRICS)}.")
        self.max_nb_interactions = max_nb_interactions
        self.max_time = max_time
        self.metric = metric_to_optimize
        self.scorer_time = scorer_time
        self.sequences = {each.name: each for each in find_sequences(Path(davis_root), subset)}
        self.keys = [SampleKey(s.name, n) for s in self.sequences.values() for n in s.scribbles or (1,)]
        self.samples = {key: self._empty(key) for key in self.keys}
        self.folder = None if report_save_dir is None else Path(report_save_dir)
        if self.folder is not None:
            self.samples |= read_samples(self.folder, self.keys)
        self.settings = {
            "subset": subset,
            "metric": metric_to_optimize,
            "robot": ROBOT_SEED,
            "interactions": max_nb_interactions,
            "max_time": max_time,
            "scorer_time": scorer_time,
            "samples": [f"{name} {number}" for name, number in self.keys],
            **(settings or {}),
        }
        self._waiting = [key for key in self.keys if not self.samples[key].finished]
        self._reports = True
        self._running = ExitStack()
        self._sample: RunningSample | None = None
        self._began_at: float | None = None  # time of the sample's first scribbles
        self._given_at: float | None = None  # time of the scribbles that are not answered yet

    @property
    def key(self) -> SampleKey:
        """Key of the running sample."""
        return self._current().report.key

    def take(self, share: Sequence[SampleKey], reports: bool) -> None:
        """Limit this process to some samples, before it enters; other processes run the others.

        Only one process reports: it locks the folder, and the others wait until it has entered.
        """
        self._waiting, self._reports = list(share), reports

    def __enter__(self) -> Self:
        if self.folder is not None and self._reports:
            self._running.enter_context(lock_folder(self.folder, "session"))
            record_settings(self.folder, self.settings, "give another folder for the report.")
            for folder in (self.folder, self.folder / SAMPLES_FOLDER):
                remove_leftovers(folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._running:
            if error is None:
                self._write_report()

    def next(self) -> bool:
        """Return whether there is another interaction, in this sample or in the next one."""
        if self._given_at is not None:
            raise RuntimeError("the scribbles were given but not answered: call submit_masks first.")
        if self._sample is not None:
            report = self._sample.report
            if not report.finished and self._is_over():  # its time ran out after the last answer
                report.finished = True
                self._write()
            if not report.finished:
                return True
            self._sample = None
        if not self._waiting:
            return False
        key = self._waiting.pop(0)
        report = self.samples[key] = self._empty(key)
        self._sample = RunningSample(self.sequences[key.sequence], report, self.metric)
        self._began_at = self._given_at = None
        return True

    def get_scribbles(self, only_last: bool = False) -> tuple[str, dict[str, Any], bool]:
        """Start the clock; return the sequence's name, the scribbles, and whether a new sample begins.

        The scribbles have the form of a scribble file, without lines when the robot finds nothing to correct.

        Args:
            only_last: whether to return the scribbles of this interaction, not of all interactions so far.
        """
        sample = self._current()
        scribbles = sample.scribbles(only_last)
        if self._given_at is None:  # a second call does not restart the clock
            self._given_at = perf_counter()
        if self._began_at is None:
            self._began_at = self._given_at
        return sample.sequence.name, scribbles, not sample.report.interactions

    def scribbles_iterator(self, only_last: bool = False) -> Iterator[tuple[str, dict[str, Any], bool]]:
        """Yield the result of `get_scribbles` for each interaction; call `submit_masks` after each."""
        while self.next():
            yield self.get_scribbles(only_last)

    def submit_masks(
        self, masks: ArrayLike, next_scribble_frame_candidates: Sequence[int] | None = None
    ) -> None:
        """Submit the masks for the last scribbles.

        Args:
            masks: integer label maps of all frames, `T x H x W`.
            next_scribble_frame_candidates: frames on which the robot may scribble next; None for all.

        Raises:
            InputError: the masks have another shape or unknown labels, or a candidate is not a frame.
        """
        now = perf_counter()
        sample = self._current()
        if self._given_at is None:
            raise RuntimeError("there is nothing to answer: call get_scribbles first.")
        prediction = validate_masks(masks, sample.sequence)
        candidates = validate_candidates(next_scribble_frame_candidates, len(sample.truth))
        seconds, self._given_at = now - self._given_at, None
        report = sample.report
        if self._is_late(now, seconds):
            log.warning("%s %d: interaction %d came too late.", *report.key, len(report.interactions) + 1)
            report.timed_out = True
        else:
            scores = sample.score(prediction, seconds)
            if not self._is_over():
                sample.scribble(prediction, scores, candidates)
        report.finished = self._is_over()
        self._write()

    def get_global_summary(self, save_file: str | Path | None = None) -> dict[str, Any]:
        """Return the result of `summary.summarise` for all samples; also write it as JSON to a given path."""
        samples = self._all_samples()
        summary = summarise(samples, self.max_nb_interactions, self.max_time, self.metric)
        summary["samples"] = {
            "all": len(samples),
            "finished": sum(sample.finished for sample in samples),
            "timed_out": [list(sample.key) for sample in samples if sample.timed_out],
            "first_scribbles_by_robot": [list(sample.key) for sample in samples if sample.by_robot],
        }
        summary["time_limit"] = {"seconds_per_object": self.max_time, "scorer_included": self.scorer_time}
        if save_file is not None:
            with atomic_path(Path(save_file)) as temporary:
                temporary.write_text(json.dumps(summary, indent=1))
        return summary

    def _write_report(self) -> None:
        if self.folder is not None and self._reports:
            write_report(self.folder, self._all_samples())
            self.get_global_summary(self.folder / SUMMARY_FILE)

    def _empty(self, key: SampleKey) -> SampleReport:
        sequence = self.sequences[key.sequence]
        return SampleReport(key, sequence.labels, by_robot=not sequence.scribbles)

    def _all_samples(self) -> list[SampleReport]:
        """Return all samples, those of other processes from their files."""
        written = {} if self.folder is None else read_samples(self.folder, self.keys)
        return list({**self.samples, **written}.values())

    def _current(self) -> RunningSample:
        if self._sample is None:
            raise RuntimeError("no sample is running: call next first, and go on while it returns True.")
        return self._sample

    def _is_late(self, now: float, pending: float = 0) -> bool:
        """Return whether the sample has used up its time, with `pending` seconds of a submission."""
        report = self._current().report
        if self.scorer_time:
            spent = 0 if self._began_at is None else now - self._began_at
        else:
            spent = sum(each.seconds for each in report.interactions) + pending
        return spent > self.max_time * len(report.labels)

    def _is_over(self) -> bool:
        report = self._current().report
        is_full = len(report.interactions) >= self.max_nb_interactions
        return report.timed_out or is_full or self._is_late(perf_counter())

    def _write(self) -> None:
        """Write the sample after each interaction, and report and summary when it is finished."""
        report = self._current().report
        if self.folder is not None:
            write_sample(self.folder, report)
            if report.finished:
                self._write_report()
