"""Propagation on the server's side: requests to the computing process, and its results."""

import math
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any

from scripts.annotator.document import Document
from scripts.annotator.gaps import gaps, unsettled
from scripts.annotator.jobs import Cancelled, Job
from scripts.annotator.session import Session
from scripts.annotator.worker import Worker


def propagate(
    job: Job, session: Session, worker: Worker, request: Mapping[str, Any], network: Mapping[str, Any]
) -> str:
    """Propagate from all drawn frames; each result is saved at once. Return a sentence on the result.

    Args:
        job: the job, for progress and cancel.
        session: the annotation.
        worker: the computing process.
        request: "first" and "last" frame of the range, and the passes "forward" and "backward".
        network: dict with "weights" (path) and "remember_previous", see `InferenceCore`.
    """
    job.show(0, 0, "reading the network")
    known = _known(session, request)
    total = sum(gap.steps for gap in known["gaps"])
    if not total:
        return "There is nothing to propagate: all frames of the range are drawn."
    number, found = None, 0
    with closing(worker.ask({"kind": "propagate", **network, **known})) as answers:
        for done, (what, frame, labels) in enumerate(answers, start=1):
            if what == "frame":
                with session.lock:
                    if number is None:  # with the first result, so that a failure leaves no entry
                        number = session.workspace.log.next_number
                        session.write({"kind": "propagate", **request})
                    if not session.add_result(number, frame, labels):
                        job.stop.set()
                found += 1
            with suppress(Cancelled):
                job.show(done, total, f"frame {frame}")
            if job.stop.is_set():
                worker.stop()
    if job.stop.is_set():
        raise Cancelled
    return f"Propagated: {found} masks."


def _known(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the labels, the given masks and the gaps of a propagation.

    Given are the drawn frames and the masks next to the range.
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
    annotated = {frame: sorted((state.present | state.drawn) & {*labels}) for frame, state in given.items()}
    found = gaps(annotated, labels, first, last, request["forward"], request["backward"])
    spoken = {frame: (masks[frame], about) for frame, about in annotated.items()}
    return {"labels": labels, "given": spoken, "gaps": unsettled(found, versions, given)}


def _filled_by(document: Document, frame: int) -> float:
    """Return the number of the last entry that filled a frame; infinity for reviewed frames."""
    if document.state(frame).reviewed:
        return math.inf
    entries = document.history(frame)
    return max((entry["n"] for entry in entries if entry["kind"] in ("propagate", "masks")), default=0)
