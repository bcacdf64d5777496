"""A process that computes with networks, while the server answers pages.

It answers requests one by one. A request is a dict with a "kind": "propagate" (see `rounds.Rounds`), else see
`segmenters.Segmenters`. Answers are the tuples that these yield, then ("done",) or ("failed", why).
"""

import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import cached_property
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from scripts.annotator.jobs import sentence_of
from scripts.annotator.settings import WorkerSettings
from util.errors import InputError, log_to_stderr
from util.worker_processes import end_with_parent

if TYPE_CHECKING:
    from scripts.annotator.rounds import Rounds
    from scripts.annotator.segmenters import Segmenters

STOP_WAIT = 5  # seconds until a process that does not end is killed


class Worker:
    """The server's side of the process, started when it is first needed, and again after it was lost.

    Args:
        settings: settings of the process.
        niceness: its niceness; processes with a lower one come first.
    """

    def __init__(self, settings: WorkerSettings, niceness: int) -> None:
        self.settings = settings
        self.niceness = niceness
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._busy = threading.Lock()  # one request at a time
        self._sending = threading.Lock()

    def ask(self, request: dict[str, Any]) -> Generator[tuple[Any, ...], None, None]:
        """Send a request and yield the answers until it is done.

        Closing the iterator early ends the process, whose answers would mix with those to the next request.

        Raises:
            InputError: the request failed, or the process was lost.
        """
        with self._busy:
            pipe, answered = self._started(), False
            try:
                with self._sending:
                    pipe.send(request)
                while True:
                    reply = pipe.recv()
                    answered = reply[0] in ("done", "failed")
                    if reply[0] == "failed":
                        raise InputError(reply[1])
                    if answered:
                        return
                    yield reply
            except (EOFError, ConnectionError) as error:
                raise InputError("the computing process was lost (out of memory?); try again.") from error
            finally:
                if not answered:
                    self.close()

    def stop(self) -> None:
        """Ask the running request to end early; its answers until then still arrive."""
        if self._pipe is not None:
            with self._sending, suppress(OSError):
                self._pipe.send({"kind": "stop"})

    def close(self) -> None:
        """End the process."""
        process, pipe, self._process, self._pipe = self._process, self._pipe, None, None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.join(STOP_WAIT)
            if process.is_alive():
                process.kill()
                process.join()

    def _started(self) -> Connection:
        if self._pipe is not None and self._process is not None and self._process.is_alive():
            return self._pipe
        context = get_context("spawn")  # this process has threads, which a fork would not copy
        ours, theirs = context.Pipe()
        process = context.Process(
            target=answer_requests, args=(theirs, self.settings, self.niceness), daemon=True
        )
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        return ours


def answer_requests(pipe: Connection, settings: WorkerSettings, niceness: int) -> None:
    """Answer requests until the pipe is closed or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the server ends this process
    end_with_parent(signal.SIGKILL)
    os.nice(niceness)
    log_to_stderr()  # trials are logged
    with suppress(EOFError, ConnectionError):
        networks = _Networks(settings, pipe)
        while True:
            request = pipe.recv()
            if request["kind"] == "stop":  # a late one
                continue
            try:
                for answer in networks.answer(request):
                    pipe.send(answer)
                pipe.send(("done",))
            except (EOFError, ConnectionError):
                raise
            except Exception as error:
                pipe.send(("failed", sentence_of(error)))


class _Networks:
    """Routes requests to lazily created handlers."""

    def __init__(self, settings: WorkerSettings, pipe: Connection) -> None:
        self.settings = settings
        self.pipe = pipe

    @cached_property
    def rounds(self) -> "Rounds":
        """The handler of propagation requests, created on first use."""
        from scripts.annotator.rounds import Rounds

        return Rounds(self.settings)

    @cached_property
    def segmenters(self) -> "Segmenters":
        """The handler of segmentation requests, created on first use."""
        from scripts.annotator.segmenters import Segmenters

        return Segmenters(self.settings)

    def answer(self, request: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the answers to a request."""
        if request["kind"] == "propagate":
            return self.rounds.run(request, self.is_stopped)
        return self.segmenters.run(request)

    def is_stopped(self) -> bool:
        """Tell whether the running request should end."""
        return self.pipe.poll() and self.pipe.recv()["kind"] == "stop"
