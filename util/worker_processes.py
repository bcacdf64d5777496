"""Processes that work for this one, and end with it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import TypeVar

from util.errors import InputError
from util.stop_request import signals_blocked

Item = TypeVar("Item")
Result = TypeVar("Result")

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
    others = {*active_children()}
    with ProcessPoolExecutor(workers, get_context("fork"), _begin, (start,)) as pool:
        try:
            with signals_blocked():  # in the workers they stay so: this process stops them
                futures = [pool.submit(function, item) for item in items]
            yield (future.result() for future in as_completed(futures))
        except BaseException as error:
            for process in {*active_children()} - others:
                process.kill()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise InputError(
                    "a process was killed (out of memory?): run again, with fewer --workers; what is done "
                    "stays."
                ) from error
            raise


def _begin(start: Callable[[], object]) -> None:
    end_with_parent(signal.SIGKILL)  # the pool's own workers would wait for ever
    start()


def end_with_parent(number: signal.Signals) -> None:
    """Send this process a signal when the process that started it is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK)
        os.kill(os.getpid(), number)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
