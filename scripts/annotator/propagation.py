"""Carrying masks through the video: what is sent to the computing process, and where its results go."""

from pathlib import Path
from typing import Any

from scripts.annotator.jobs import Cancelled, Job
from scripts.annotator.session import Session
from scripts.annotator.worker import Worker, WorkerSettings


class Propagation:
    """Runs propagations in a process of its own."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.worker = Worker(settings)

    def run(self, job: Job, session: Session, request: dict[str, Any], weights: Path) -> str:
        """Propagate from all drawn frames; masks appear as they come.

        Args:
            job: shows how far it is.
            session: gives the drawn masks and takes the results.
            request: first and last frame of the range; whether to go forward and backward.
            weights: file of the network.

        Returns:
            A sentence on what was done.
        """
        job.show(0, 0, "reading the network")
        total = request["last"] - request["first"] + 1
        number, done = None, 0
        for _, frame, labels in self.worker.ask(
            {"kind": "propagate", "weights": weights, **request, **_known(session)}
        ):
            with session.lock:
                if number is None:  # not before there is a result: what failed at once need not be undone
                    number = session.workspace.log.next_number
                    session.write({"kind": "propagate", **request})
                counts = session.add_result(number, frame, labels)
            done += 1
            try:
                job.show(min(done, total), total, f"frame {frame}")
            except Cancelled:
                counts = False
            if not counts and not job.stop.is_set():
                job.stop.set()
            if job.stop.is_set():
                self.worker.stop()
        if job.stop.is_set():
            raise Cancelled
        return (
            f"{done} masks."
            if done
            else "There was nothing to propagate to: all frames of the range are drawn."
        )

    def close(self) -> None:
        """End the process."""
        self.worker.close()


def _known(session: Session) -> dict[str, Any]:
    """Return what a round starts from: the drawn masks, and what was there before."""
    with session.lock:
        document = session.document
        given = document.given
        return {
            "labels": [each.label for each in document.objects],
            "given": {frame: (document.state(frame).version, session.label_map(frame)) for frame in given},
            "rounds": [entry["n"] for entry in document.effective("propagate")],
            "number": session.workspace.log.next_number,
        }
