import os
import signal
import time
from multiprocessing import active_children

import pytest

from tests.forked_runs import forked_runs
from util.errors import InputError
from util.worker_processes import worked_on


@pytest.fixture
def own_children():
    """Return the child processes that a test has started and that have not ended."""
    before = {*active_children()}  # of other tests
    return lambda: {*active_children()} - before


def double(item):
    return 2 * item, os.getpid()


def test_every_item_is_worked_on_in_other_processes(own_children):
    with worked_on(double, range(50), 3) as results:
        numbers, processes = zip(*results, strict=True)
    assert sorted(numbers) == list(range(0, 100, 2))
    assert len(set(processes)) <= 3
    assert os.getpid() not in processes
    assert not own_children()


def fail_at_three(item):
    if item == 3:
        raise InputError("three is bad")
    return item


def test_an_exception_is_raised_here_and_the_workers_end(own_children):
    with pytest.raises(InputError, match=r"^three is bad$"), worked_on(fail_at_three, range(9), 2) as results:
        list(results)
    assert not own_children()


def die_at_three(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_killed_worker_is_one_clear_sentence(own_children):
    with pytest.raises(InputError, match="fewer --workers"), worked_on(die_at_three, range(9), 2) as results:
        list(results)
    assert not own_children()


def main() -> None:
    """What the test below runs as a script."""
    with worked_on(time.sleep, [0, 1000, 1000, 1000], 3) as results:
        for _ in results:
            print("one is done", flush=True)


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    log = tmp_path / "log"
    with forked_runs() as runs:
        process = runs.start(tmp_path, log, __name__)
        while not log.is_file() or "one is done" not in log.read_text():
            assert runs.wait(process, 0.01) is None, log.read_text()
        os.kill(process, signal.SIGKILL)
        assert runs.wait(process, 10) == -signal.SIGKILL
        assert runs.all_gone(10)
