"""Long work, one job at a time, in a thread, and what happens, told to every open page."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

from util.errors import InputError, explain_error

log = logging.getLogger(__name__)

LONGEST_QUEUE = 256  # messages that a page has not taken yet; a slower page is told to load all anew
Message = dict[str, Any]

AFTER_CANCEL = {  # what each kind of job leaves
    "propagate": "Cancelled; the masks computed so far stay unless they are undone.",
    "correct": "Cancelled; no mask was changed.",
    "export": "Cancelled; nothing was exported.",
    "fit": "Cancelled; no network was fitted.",
    "fetch": "Cancelled; the unfinished file was removed.",
    "download": "Cancelled; the next download continues from here.",
}


class Events:
    """Hands messages from any thread to the pages that listen on the server's event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queues: set[asyncio.Queue[Message]] = set()

    def listen(self) -> "asyncio.Queue[Message]":
        """Return a queue of the messages from now on; call this on the event loop."""
        self._loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Message] = asyncio.Queue()
        self._queues.add(queue)
        return queue

    def leave(self, queue: "asyncio.Queue[Message]") -> None:
        """Send nothing more to a queue of `listen`."""
        self._queues.discard(queue)

    def send(self, message: Message) -> None:
        """Send a message to every page; may be called from any thread, in the order of the messages."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, message)

    def _deliver(self, message: Message) -> None:
        for queue in self._queues:
            if queue.qsize() < LONGEST_QUEUE:
                queue.put_nowait(message)
            elif queue.qsize() == LONGEST_QUEUE:
                queue.put_nowait({"reload": True})


class Cancelled(Exception):  # noqa: N818 - nothing went wrong
    """Raised in a job that the user cancels."""


def sentence_of(error: Exception) -> str:
    """Return what pages show of an error; one that is not expected is logged, too."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError):
        return explain_error(error)
    log.error("unexpected", exc_info=error)
    return f"the annotator failed with {type(error).__name__}: {error}"


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
        try:
            text, state = work(job), "done"
        except Cancelled:
            text, state = AFTER_CANCEL[job.kind], "cancelled"
        except Exception as error:
            text, state = sentence_of(error), "failed"
        job.text, job.state = text, state
        job.publish()
        job.ended.set()
