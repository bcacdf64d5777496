"""The server's side of a process that computes with networks, while the server answers pages."""

import threading
from collections.abc import Generator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from scripts.annotator.settings import WorkerSettings
from scripts.annotator.worker_process import work
from util.errors import InputError

STOP_WAIT = 5  # seconds until a process that does not end is killed


class Worker:
    """One process, started when it is first needed, and again after it was lost.

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
        process = context.Process(target=work, args=(theirs, self.settings, self.niceness), daemon=True)
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        return ours
