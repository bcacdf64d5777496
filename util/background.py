"""Background threads that read ahead or write behind, with bounded queues."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(
    function: Callable[[Item], Result], items: Iterable[Item], depth: int = 4, threads: int = 2
) -> Iterator[Result]:
    """Yield function(item) in order, computed in threads at most `depth` items ahead.

    An exception in a thread is raised in place of its result.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="prefetch") as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > depth:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


class BackgroundWriter:
    """Runs writes in threads; `submit` waits while `depth` writes are unfinished.

    The exception of a failed write is raised by a later `submit`, or at the end of the `with` block.
    """

    def __init__(self, depth: int = 16, threads: int = 2) -> None:
        self.depth = depth
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="writer")
        self.pending: deque[Future[None]] = deque()

    def submit(self, write: Callable[..., None], *args: Any) -> None:
        """Queue write(*args)."""
        self.pending.append(self.pool.submit(write, *args))
        while len(self.pending) > self.depth or (self.pending and self.pending[0].done()):
            self.pending.popleft().result()

    def flush(self) -> None:
        """Wait until all writes are finished."""
        while self.pending:
            self.pending.popleft().result()

    def __enter__(self) -> "BackgroundWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            self.pool.shutdown(cancel_futures=error is not None)
