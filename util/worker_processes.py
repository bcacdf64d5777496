"""Worker processes that end with their parent."""

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

PARENT_CHECK = 0.5  # seconds between checks that the parent is alive


@contextmanager
def worked_on(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    start: Callable[[], object] = int,
) -> Iterator[Iterator[Result]]:
    """Yield an iterator over the results of function(item), computed in forked workers, in any order.

    The parent must not have threads yet. When the block is left early, by an error or a signal, the workers
    are killed.

    Args:
        function: function to call in the workers; its exception is raised here.
        items: arguments of the calls.
        workers: number of processes.
        start: function to call first in each worker.

    Raises:
        InputError: a process was killed from outside.
    """
    others = {*active_children()}
    with ProcessPoolExecutor(workers, get_context("fork"), _begin, (start,)) as pool:
        try:
            with signals_blocked():  # they stay blocked in the workers, which this process stops
                futures = [pool.submit(function, item) for item in items]
            yield (future.result() for future in as_completed(futures))
        except BaseException as error:
            for process in {*active_children()} - others:
                process.kill()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise InputError(
                    "a worker process was killed (out of memory?): run again with fewer --workers; finished "
                    "files are kept."
                ) from error
            raise


def _begin(start: Callable[[], object]) -> None:
    end_with_parent(signal.SIGKILL)  # the pool's workers would wait for ever
    start()


def end_with_parent(number: signal.Signals) -> None:
    """Send this process a signal when its parent process has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK)
        os.kill(os.getpid(), number)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
