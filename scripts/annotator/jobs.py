"""Work that takes longer than an answer may: one job at a time, in a thread, with progress and cancel."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from scripts.annotator.events import Events
from util.errors import InputError, explained

log = logging.getLogger(__name__)

AFTER_CANCEL = {  # what is left of each kind of job
    "propagate": "Cancelled; the masks found until then stay unless they are undone.",
    "export": "Cancelled; nothing was exported.",
    "fit": "Cancelled; no network was fitted.",
    "fetch": "Cancelled; nothing is kept of the file that was being fetched.",
    "download": "Cancelled; what has come is kept, and fetching again goes on from there.",
}


class Cancelled(Exception):  # noqa: N818 - nothing went wrong
    """Raised in a job that a person stops."""


class Job:
    """One piece of work and how far it is."""

    def __init__(self, number: int, kind: str, events: Events) -> None:
        self.number = number
        self.kind = kind
        self.state = "running"  # then done, cancelled or failed
        self.done = 0.0
        self.total = 0.0  # 0 as long as it is not known
        self.text = ""
        self.result: dict[str, Any] = {}
        self.stop = threading.Event()
        self._events = events

    def show(self, done: float, total: float, text: str = "") -> None:
        """Say how far it is; raises Cancelled when it shall stop."""
        self.done, self.total, self.text = done, total, text
        self.publish()
        if self.stop.is_set():
            raise Cancelled

    def publish(self) -> None:
        """Tell the pages."""
        self._events.send({"job": self.as_json()})

    def as_json(self) -> dict[str, Any]:
        """Return what pages show."""
        names = ("number", "kind", "state", "done", "total", "text", "result")
        return {name: getattr(self, name) for name in names}


class Jobs:
    """Runs one job at a time."""

    def __init__(self, events: Events) -> None:
        self.current: Job | None = None
        self._events = events
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._started = 0

    @property
    def running(self) -> Job | None:
        """The job that is at work."""
        return self.current if self.current is not None and self.current.state == "running" else None

    def start(self, kind: str, work: Callable[[Job], str]) -> Job:
        """Start a job.

        Args:
            kind: its name, which should be in `AFTER_CANCEL`.
            work: does it, and returns a sentence on what has been done.

        Raises:
            InputError: another one is at work.
        """
        with self._lock:
            if self.running is not None:
                raise InputError(f"another job ({self.running.kind}) is at work: wait for it, or cancel it.")
            self._started += 1
            self.current = job = Job(self._started, kind, self._events)
        job.publish()
        self._thread = threading.Thread(target=self._run, args=(job, work), name=kind, daemon=True)
        self._thread.start()
        return job

    def cancel(self, wait: bool = False) -> None:
        """Ask the job at work to stop; with `wait`, return when it has."""
        if self.running is not None:
            self.running.stop.set()
        if wait and self._thread is not None:
            self._thread.join()

    def _run(self, job: Job, work: Callable[[Job], str]) -> None:
        state, text = "failed", ""
        try:
            text = work(job)
            state = "done"
        except Cancelled:
            state, text = "cancelled", AFTER_CANCEL.get(job.kind, "Cancelled.")
        except InputError as error:
            text = str(error)
        except OSError as error:
            text = explained(error)
        except Exception as error:
            log.exception("%s failed", job.kind)
            text = f"{type(error).__name__}: {error}"
        job.text, job.state = text, state
        job.publish()
