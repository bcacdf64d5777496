"""What happens, told to every open page."""

import asyncio
from typing import Any

LONGEST_QUEUE = 256  # messages that a page has not taken yet; one that is slower is told to load all anew

Message = dict[str, Any]


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
