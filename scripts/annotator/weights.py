"""Weights for propagation: published, fitted to this video, or none."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from osam.types import PullCancelledError

from dataset.masks.writer import write_mask
from model.interactive.promptable import fetch
from scripts.annotator.jobs import Cancelled, Job
from scripts.annotator.session import Session
from scripts.one_shot import OVERLAP, WARNING
from util.errors import InputError
from util.files import atomic_path, remove_leftovers
from util.palette import voc_palette

ROOT = Path(__file__).parents[2]
POLL = 0.2  # seconds between two looks at a program


class Weights:
    """The weights for propagation.

    Args:
        published: path given by `--model`.
        fitted: file of a one-shot fit.
        size: shorter side of frames for the network.
        flags: flags of device and precision for the programs that are run.
    """

    def __init__(self, published: Path, fitted: Path, size: int, flags: Sequence[str] = ()) -> None:
        self.published = published
        self.fitted = fitted
        self.size = size
        self.flags = list(flags)

    def path(self) -> Path:
        """Return the weights to use: published ones before fitted ones.

        Raises:
            InputError: there are no weights.
        """
        for path in (self.published, self.fitted):
            if path.is_file():
                return path
        raise InputError(
            f"there are no weights at {self.published}: download them, fit a network to the drawn masks, "
            "or continue by hand."
        )

    def as_json(self) -> dict[str, Any]:
        """Return what pages show."""
        kind = "published" if self.published.is_file() else "fitted" if self.fitted.is_file() else None
        verdict = json.loads(self._verdict.read_text()) if self._verdict.is_file() else []
        return {"kind": kind, "published": str(self.published), "verdict": verdict}

    @property
    def _verdict(self) -> Path:
        """File of the fitted network's overlap with the truth."""
        return self.fitted.resolve().with_name("verdict.json")

    def fit(self, job: Job, session: Session, minutes: float) -> str:
        """Fit a network to the drawn frames in another process; return a sentence on the result.

        The network replaces an earlier one at the end; a fit that ends early changes nothing.
        """
        masks = self.fitted.parent / "masks"
        shutil.rmtree(masks, ignore_errors=True)
        with session.lock:
            drawn = {frame: session.label_map(frame) for frame in session.document.given}
            names = {each.label: each.name for each in session.document.objects}
        for frame, labels in drawn.items():
            if labels.any():
                write_mask(masks / f"{session.pictures.source.names[frame]}.png", labels, voc_palette())
        command = ["scripts.fit_first_frame", "--frames", str(session.pictures.path.resolve())]
        command += ["--masks", str(masks.resolve()), "--minutes", f"{minutes:g}", "--size", str(self.size)]
        remove_leftovers(self.fitted.parent)
        with atomic_path(self.fitted.resolve()) as temporary:
            said = _run([*command, "--output", str(temporary), *self.flags], job, seconds=60 * minutes)
        with atomic_path(self._verdict) as temporary:
            temporary.write_text(json.dumps(_overlaps(said, names)))
        return "The network is fitted to this video. Press T to propagate."

    def download(self, job: Job) -> str:
        """Download the published weights in another process."""
        folder = self.published.parent.resolve()
        _run(["download_model", "--once", "--output", str(folder)], job)
        if not self.published.is_file():
            raise InputError(f"the weights are in {folder}, but --model is {self.published.name}.")
        return "The published weights are here. Press T to propagate."


def _overlaps(said: str, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Return the objects in the verdict of a fit, the worst first.

    Args:
        said: output of the fit, see `one_shot.held_out.describe_fit`.
        names: the objects' names by label.

    Returns:
        name, overlap in percent (None when no sample shows the object), and whether it may be lost.
    """
    overlaps, _, warning = said[said.index(OVERLAP) :].partition(WARNING)
    percents = {int(label): int(percent) for label, percent in re.findall(r"object (\d+) (\d+) %", overlaps)}
    unseen = _labels(re.search(r"object ([\d, ]+) is in none", overlaps))
    weak = [*unseen, *_labels(re.match(r" object ([\d, ]+)", warning))]
    verdict: list[dict[str, Any]] = [
        {"name": names[label], "percent": percents.get(label), "poor": label in weak}
        for label in (*unseen, *percents)
    ]
    return sorted(verdict, key=lambda each: each["percent"] or 0)


def _labels(found: re.Match[str] | None) -> list[int]:
    """Return the labels in the first group of a match."""
    return [int(label) for label in re.findall(r"\d+", found[1])] if found else []


def _clock(seconds: float) -> str:
    """Return a time as people write it: 20 s, or 1:20."""
    return f"{seconds:.0f} s" if seconds < 59.5 else f"{round(seconds) // 60}:{round(seconds) % 60:02}"


def fetch_network(job: Job, name: str) -> str:
    """Download the weights of a promptable network; return a sentence on the result."""

    def show(file: str, done: int, total: int | None) -> None:
        job.show(done, total or 0, f"{name}, {file}: {done >> 20} of {(total or 0) >> 20} MB")

    try:
        fetch(name, show, job.stop)
    except PullCancelledError as error:
        raise Cancelled from error
    return f"{name} is here."


def _run(command: Sequence[str], job: Job, seconds: float = 0) -> str:
    """Run a program of the project and return its output; it ends with the job and with this process.

    The progress is that of the time, if it is known in `seconds`.

    Raises:
        InputError: the program failed; the text is its last line.
    """
    attached = [sys.executable, "-m", "scripts.annotator.attached", *command]
    process = subprocess.Popen(
        attached, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    start = time.monotonic()
    output = None
    try:
        while output is None:
            passed = time.monotonic() - start
            text = _clock(passed) + (f" of {_clock(seconds)}" if seconds else "")
            job.show(min(passed, 0.99 * seconds), seconds, text)
            with suppress(subprocess.TimeoutExpired):
                output, _ = process.communicate(timeout=POLL)
    except Cancelled:
        process.terminate()
        process.wait()
        raise
    if process.returncode != 0:
        lines = [line.strip() for line in re.split(r"[\r\n]+", output) if line.strip()]
        raise InputError((lines or ["it gave no reason."])[-1].removeprefix("error: "))
    return output
