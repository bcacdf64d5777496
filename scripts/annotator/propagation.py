"""Carrying masks through the video: what is sent to the computing process, and where its results go."""

import math
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from scripts.annotator.document import Document
from scripts.annotator.gaps import gaps, unsettled
from scripts.annotator.jobs import Cancelled, Job
from scripts.annotator.session import Session
from scripts.annotator.settings import WorkerSettings
from scripts.annotator.worker import Worker

NICENESS = 15  # clicks and scribbles are answered first


class Propagation:
    """Runs propagations in a process of its own."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.worker = Worker(settings, NICENESS)

    def run(
        self, job: Job, session: Session, request: dict[str, Any], weights: Path, remember_previous: bool
    ) -> str:
        """Propagate from all drawn frames; masks appear as they come.

        Args:
            job: shows how far it is.
            session: gives the drawn masks and takes the results.
            request: first and last frame of the range; whether to go forward and backward.
            weights: file of the network.
            remember_previous: as for `InferenceCore`.

        Returns:
            A sentence on what was done.
        """
        job.show(0, 0, "reading the network")
        known = _known(session, request)
        total = sum(gap.steps for gap in known["gaps"])
        if not total:
            return "There was nothing to propagate to: all frames of the range are drawn."
        number, found = None, 0
        asked = self.worker.ask(
            {"kind": "propagate", "weights": weights, "remember_previous": remember_previous, **known}
        )
        with closing(asked):
            for done, (what, frame, labels) in enumerate(asked, start=1):
                if what == "frame":
                    with session.lock:
                        if number is None:  # not before there is a result: what failed at once is not undone
                            number = session.workspace.log.next_number
                            session.write({"kind": "propagate", **request})
                        if not session.add_result(number, frame, labels):
                            job.stop.set()
                    found += 1
                with suppress(Cancelled):
                    job.show(done, total, f"frame {frame}")
                if job.stop.is_set():
                    self.worker.stop()
        if job.stop.is_set():
            raise Cancelled
        return f"{found} masks."

    def close(self) -> None:
        """End the process."""
        self.worker.close()


def _known(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Return what a propagation starts from, and which gaps it fills.

    Drawn frames, and the masks next to the range, to which those in it are to lead, speak for themselves.
    """
    document, first, last = session.document, request["first"], request["last"]
    with session.lock:
        labels = sorted(each.label for each in document.objects)
        given = {frame: document.state(frame) for frame in document.given}
        edges = (frame for frame in (first - 1, last + 1) if document.state(frame).present)
        given |= {frame: document.state(frame) for frame in edges}
        masks = {frame: session.label_map(frame) for frame in given}
        filled = {frame: _filled_by(document, frame) for frame in document.touched}
        versions = {**filled, **{frame: state.version for frame, state in given.items()}}
    spoken = {frame: sorted((state.present | state.drawn) & {*labels}) for frame, state in given.items()}
    found = gaps(spoken, labels, first, last, request["forward"], request["backward"])
    return {
        "labels": labels,
        "given": {frame: (masks[frame], about) for frame, about in spoken.items()},
        "gaps": unsettled(found, versions, given),
    }


def _filled_by(document: Document, frame: int) -> float:
    """Return the number of the last entry that carried masks to a frame; infinity where none may."""
    if document.state(frame).reviewed:
        return math.inf
    entries = document.history(frame)
    return max((entry["n"] for entry in entries if entry["kind"] in ("propagate", "masks")), default=0)
