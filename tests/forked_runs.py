"""Runs of the project's scripts as processes that start at once.

Loading Python and PyTorch takes seconds. Python's fork server does it once and forks a child for each run.
"""

import ctypes
import faulthandler
import importlib
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
CONTEXT = multiprocessing.get_context("forkserver")
SUBREAPER = 36  # for prctl: orphans become children of the fork server
POLL = 0.002  # seconds

processes: dict[int, ForkServerProcess] = {}


def start(
    folder: Path, log: Path, module: str, *arguments: object, errors: Path | None = None, **environment: str
) -> int:
    """Run a script in a folder and return its process ID, which is also that of its session.

    The output is appended to `log`, the standard error to `errors` if it is given.
    """
    CONTEXT.set_forkserver_preload(["tests.forked_runs", "train", "eval_davis"])
    files = str(log), str(errors or log)
    log.touch()
    names = [module, *map(str, arguments)]
    process = CONTEXT.Process(target=_run, args=(str(folder), files, {**os.environ, **environment}, names))
    process.start()
    assert process.pid is not None
    processes[process.pid] = process
    return process.pid


def wait(process: int, seconds: float) -> int | None:
    """Wait for the end of a run: its exit status, or the negative signal; None when it goes on."""
    processes[process].join(seconds)
    return processes[process].exitcode


def run(
    folder: Path, module: str, *arguments: object, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder to its end; return its status and what it printed."""
    with TemporaryDirectory() as kept:
        log, errors = Path(kept) / "output", Path(kept) / "errors"
        process = start(folder, log, module, *arguments, errors=errors, **environment)
        processes[process].join()
        output = log.read_text(), errors.read_text()
    return subprocess.CompletedProcess([module, *map(str, arguments)], processes[process].exitcode, *output)


def run_two_ranks(log: Path, module: str, *arguments: object) -> str:
    """Run two processes as a launcher would, without its own start and theirs; return what both printed."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        run = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    processes = [
        start(ROOT, log, module, *arguments, RANK=str(rank), LOCAL_RANK=str(rank), **run) for rank in range(2)
    ]
    assert [wait(process, 60) for process in processes] == [0, 0], log.read_text()
    return log.read_text()


def all_gone(seconds: float) -> bool:
    """Wait until nothing that any run started is left; call it when no run goes on."""
    server = multiprocessing.forkserver._forkserver._forkserver_pid
    children = Path(f"/proc/{server}/task/{server}/children")
    deadline = time.monotonic() + seconds
    while children.read_text() and time.monotonic() < deadline:
        time.sleep(POLL)
    return not children.read_text()


def _run(folder: str, files: tuple[str, str], environment: dict[str, str], names: list[str]) -> None:
    """Become a new process, as far as that is possible, and run a script."""
    from util.errors import run_script

    multiprocessing.set_start_method(None, force=True)  # the usual one
    os.setsid()
    os.chdir(folder)
    for path, target in zip(files, (1, 2), strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), target)
    faulthandler.enable()  # SIGABRT prints where it was
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = names
    run_script(importlib.import_module(names[0]).main)


if multiprocessing.parent_process() is None and "pytest" not in sys.modules:  # in the fork server
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
