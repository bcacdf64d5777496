"""The computing process: loads networks when they are needed and answers requests one by one."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from scripts.annotator.settings import WorkerSettings
from util.errors import InputError, explained
from util.worker_processes import end_with_parent

if TYPE_CHECKING:
    from scripts.annotator.rounds import Rounds
    from scripts.annotator.segmenters import Segmenters

log = logging.getLogger(__name__)


def work(pipe: Connection, settings: WorkerSettings, niceness: int) -> None:
    """Answer requests until the pipe is closed or the parent is gone.

    A request is a dict with a "kind": "propagate" (see `rounds.Rounds`), else see `segmenters.Segmenters`.
    Answers are the tuples that these yield, then ("done",) or ("failed", why).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the server ends this process
    end_with_parent(signal.SIGKILL)
    os.nice(niceness)
    with suppress(EOFError, ConnectionError):
        networks = _Networks(pipe, settings)
        while True:
            request = pipe.recv()
            if request["kind"] != "stop":  # a late one
                _answer(pipe, networks, request)


class _Networks:
    """The loaded networks."""

    def __init__(self, pipe: Connection, settings: WorkerSettings) -> None:
        self.pipe = pipe
        self.settings = settings
        self._rounds: Rounds | None = None
        self._segmenters: Segmenters | None = None

    def answers(self, request: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the answers to a request."""
        if request["kind"] == "propagate":
            from scripts.annotator.rounds import Rounds

            self._rounds = self._rounds or Rounds(self.settings)
            return self._rounds.run(request, self.is_stopped)
        from scripts.annotator.segmenters import Segmenters

        self._segmenters = self._segmenters or Segmenters(self.settings)
        return self._segmenters.run(request)

    def is_stopped(self) -> bool:
        """Tell whether the running request should end."""
        return self.pipe.poll() and self.pipe.recv()["kind"] == "stop"


def _answer(pipe: Connection, networks: _Networks, request: dict[str, Any]) -> None:
    try:
        for answer in networks.answers(request):
            pipe.send(answer)
        pipe.send(("done",))
    except (EOFError, ConnectionError):
        raise
    except InputError as error:
        pipe.send(("failed", str(error)))
    except OSError as error:
        pipe.send(("failed", explained(error)))
    except Exception as error:  # told on the page; the process continues
        log.exception("a request failed")
        pipe.send(("failed", f"{type(error).__name__}: {error}"))
