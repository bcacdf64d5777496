"""Long work: one job at a time, in a thread, with progress and cancel."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from scripts.annotator.events import Events
from util.errors import InputError, explained

log = logging.getLogger(__name__)

AFTER_CANCEL = {  # what each kind of job leaves
    "propagate": "Cancelled; the masks computed so far stay unless they are undone.",
    "mend": "Cancelled; no mask was changed.",
    "export": "Cancelled; nothing was exported.",
    "fit": "Cancelled; no network was fitted.",
    "fetch": "Cancelled; the unfinished file was removed.",
    "download": "Cancelled; the next download continues from here.",
}


class Cancelled(Exception):  # noqa: N818 - nothing went wrong
    """Raised in a job that the user cancels."""


class Job:
    """One piece of work and its progress."""

    def __init__(self, number: int, kind: str, events: Events) -> None:
        self.number = number
        self.kind = kind
        self.state = "running"  # then done, cancelled or failed
        self.done = 0.0
        self.total = 0.0  # 0: not known yet
        self.text = ""
        self.result: dict[str, Any] = {}
        self.stop = threading.Event()
        self.ended = threading.Event()
        self._events = events

    def show(self, done: float, total: float, text: str = "") -> None:
        """Publish the progress; raise Cancelled when the user has cancelled."""
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
        self._lock = threading.Lock()
        self._started = 0

    @property
    def running(self) -> Job | None:
        """The job that runs."""
        return self.current if self.current is not None and self.current.state == "running" else None

    @property
    def kind_running(self) -> str | None:
        """Kind of the job that runs."""
        return None if self.running is None else self.running.kind

    def start(self, kind: str, work: Callable[[Job], str]) -> Job:
        """Start a job.

        Args:
            kind: name of the kind of job, a key of `AFTER_CANCEL`.
            work: function that does the work and returns a sentence on what was done.

        Raises:
            InputError: another job runs.
        """
        with self._lock:
            if self.running is not None:
                raise InputError(f"another job ({self.running.kind}) is running: wait for it, or cancel it.")
            self._started += 1
            self.current = job = Job(self._started, kind, self._events)
        job.publish()
        threading.Thread(target=self._run, args=(job, work), name=kind, daemon=True).start()
        return job

    def cancel(self, wait: bool = False) -> None:
        """Ask the running job to stop; with `wait`, return when it has ended."""
        if self.running is not None:
            self.running.stop.set()
        if wait and self.current is not None:
            self.current.ended.wait()

    def _run(self, job: Job, work: Callable[[Job], str]) -> None:
        state, text = "failed", ""
        try:
            text = work(job)
            state = "done"
        except Cancelled:
            state, text = "cancelled", AFTER_CANCEL[job.kind]
        except InputError as error:
            text = str(error)
        except OSError as error:
            text = explained(error)
        except Exception as error:
            log.exception("%s failed", job.kind)
            text = f"{type(error).__name__}: {error}"
        job.text, job.state = text, state
        job.publish()
        job.ended.set()
