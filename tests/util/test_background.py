import threading
import time

import pytest

from util.background import BackgroundWriter, prefetch


def test_prefetch_keeps_order_and_bounds_what_is_ahead():
    started, lead = [], []

    def work(item):
        started.append(item)
        time.sleep(0.01 * (item % 3))
        return item * 2

    for consumed, result in enumerate(prefetch(work, range(40), depth=3, threads=4)):
        assert result == consumed * 2
        lead.append(len(started) - consumed - 1)
    assert max(lead) <= 3
    assert len(started) == 40


def test_prefetch_raises_where_the_item_would_be():
    results = prefetch(lambda item: 1 / (item - 2), range(9), depth=4)
    assert [next(results), next(results)] == [-0.5, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_writer_waits_when_too_much_is_unwritten():
    gate, written = threading.Event(), []

    def write(item):
        gate.wait()
        written.append(item)

    with BackgroundWriter(depth=2, threads=1) as writer:
        writer.submit(write, 0)
        writer.submit(write, 1)
        blocked = threading.Thread(target=writer.submit, args=(write, 2))
        blocked.start()
        blocked.join(0.2)
        assert blocked.is_alive()
        gate.set()
        blocked.join()
    assert written == [0, 1, 2]


def test_a_failed_write_is_raised_at_the_end():
    def fail():
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), BackgroundWriter() as writer:
        writer.submit(fail)
