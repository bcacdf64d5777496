"""Processes that work for this one, and end with it.

`concurrent.futures` has such pools, but theirs wait for ever when this process is killed (each worker
holds the writing end of the queue it reads from), and can only be stopped between two pieces of work.
"""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

from util.errors import InputError
from util.stop_request import signals_blocked

Item = TypeVar("Item")
Result = TypeVar("Result")

_Answer = tuple[Any, Exception | None, str]  # result, or exception and its trace

PARENT_CHECK = 0.5  # seconds between two looks whether the parent is still there


@contextmanager
def worked_on(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    start: Callable[[], object] = int,
) -> Iterator[Iterator[Result]]:
    """Give the results of function(item), as they come, worked out in processes of their own.

    Forked, so that nothing is loaded twice: this process must have no threads yet. When the block is left
    early, by an error or a signal, the workers are killed; what they were at stays half done.

    Args:
        function: called in the workers; an exception in it is raised here.
        items: may be worked on in any order.
        workers: number of processes.
        start: called in each of them before anything else.

    Raises:
        InputError: a process was killed from outside.
    """
    processes: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(min(workers, len(items))):
            _add_worker(processes, function, start)
        yield _results(processes, items)
        for connection in processes:
            connection.close()  # upon which they end
    except BaseException:
        for process in processes.values():
            process.kill()
        raise
    finally:
        for process in processes.values():
            process.join()


def end_with_parent(number: signal.Signals) -> None:
    """Send this process a signal when the process that started it is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK)
        os.kill(os.getpid(), number)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def _add_worker(
    processes: dict[Connection, BaseProcess],
    function: Callable[[Item], object],
    start: Callable[[], object],
) -> None:
    context = get_context("fork")
    ours, theirs = context.Pipe()
    # A worker must not hold open what only this process may: the ends of its own and the others' pipes.
    inherited = [*processes, ours]
    process = context.Process(target=_work, args=(function, start, theirs, inherited), daemon=True)
    with signals_blocked():
        process.start()
        processes[ours] = process
    theirs.close()


def _work(
    function: Callable[[Item], object],
    start: Callable[[], object],
    connection: Connection,
    inherited: Sequence[Connection],
) -> None:
    """Answer each item that comes with a result or an exception, until no more can come."""
    # SIGINT and SIGTERM stay blocked: they are sent to every process, and the main one stops the others.
    end_with_parent(signal.SIGKILL)
    for other in inherited:
        other.close()
    start()
    with suppress(EOFError, ConnectionError):  # no more can come, or the parent was killed
        while True:
            connection.send(_answer(function, connection.recv()))


def _answer(function: Callable[[Item], object], item: Item) -> _Answer:
    try:
        return function(item), None, ""
    except Exception as error:
        return None, error, traceback.format_exc()


def _results(connections: Iterable[Connection], items: Iterable[Item]) -> Iterator[Any]:
    """Keep every worker busy and yield what comes back."""
    left = iter(items)
    busy = []
    for connection, item in zip(connections, left, strict=False):
        with _loss_explained():
            connection.send(item)
        busy.append(connection)
    while busy:
        for connection in cast("list[Connection]", wait(busy)):
            with _loss_explained():
                result, error, trace = connection.recv()
            if error is not None:
                raise error from RuntimeError(f"in a worker process:\n{trace}")
            busy.remove(connection)
            for item in islice(left, 1):
                with _loss_explained():
                    connection.send(item)
                busy.append(connection)
            yield result


@contextmanager
def _loss_explained() -> Iterator[None]:
    """Turn the end of a worker into one clear sentence; raises InputError."""
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise InputError(
            "a process was killed (out of memory?): run again, with fewer --workers; what is done stays."
        ) from error
