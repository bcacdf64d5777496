"""Runs of the project's scripts as processes of their own that start at once.

Loading Python and PyTorch takes seconds. One process does it once and forks a child for each run, in a
session of its own, as a shell would start it; the child then runs a script's `main` and ends as
Python ends. The process also adopts what its children leave behind, and so knows of every orphan.
"""

import ctypes
import faulthandler
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
PR_SET_CHILD_SUBREAPER = 36
POLL = 0.002  # seconds


class Runs:
    """Starts runs and tells of their ends."""

    def __init__(self) -> None:
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.forked_runs"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.questions, self.answers = self.server.stdin, self.server.stdout

    def load(self, module: str) -> None:
        """Load a script, which its first run would do otherwise."""
        self._ask("load", module)

    def start(
        self,
        folder: Path,
        log: Path,
        module: str,
        *arguments: object,
        errors: Path | None = None,
        **environment: str,
    ) -> int:
        """Run a script, named as `python -m` names it, in a folder; return its process.

        What it prints goes to the end of `log`, or what it says of errors and progress to that of `errors`.
        Its environment is that of now and here, with these variables too; what is read when PyTorch is loaded
        has been read before.
        """
        output, variables = (str(log), str(errors or log)), {**os.environ, **environment}
        process: int = self._ask("start", str(folder), *output, variables, module, *map(str, arguments))
        return process

    def run(
        self, folder: Path, module: str, *arguments: object, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script in a folder to its end; return its status and what it printed."""
        with TemporaryDirectory() as kept:
            log, errors = Path(kept) / "output", Path(kept) / "errors"
            process = self.start(folder, log, module, *arguments, errors=errors, **environment)
            while (status := self.wait(process, 60)) is None:
                pass
            said = log.read_text(), errors.read_text()
        return subprocess.CompletedProcess([module, *map(str, arguments)], status, *said)

    def wait(self, process: int, seconds: float) -> int | None:
        """Wait for the end of a run: its exit status, or the negative signal; None when it goes on."""
        status: int | None = self._ask("wait", process, seconds)
        return status

    def all_gone(self, seconds: float) -> bool:
        """Wait until nothing that any run started is left; call it when no run goes on."""
        gone: bool = self._ask("all_gone", seconds)
        return gone

    def close(self) -> None:
        self.questions.close()
        self.server.wait()

    def _ask(self, *question: object) -> Any:
        self.questions.write(json.dumps(question) + "\n")
        self.questions.flush()
        return json.loads(self.answers.readline())


@contextmanager
def forked_runs() -> Iterator[Runs]:
    runs = Runs()
    try:
        yield runs
    finally:
        runs.close()


def serve() -> tuple[str, list[str]] | None:
    """Answer questions until there are no more; in a child, return the script and arguments of its run."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # tests in the background may have it ignored
    for line in sys.stdin:
        match json.loads(line):
            case "load", module:
                load(module)
                answer: object = None
            case "start", folder, log, errors, environment, module, *arguments:
                load(module)
                ready, tell = os.pipe()
                answer = os.fork()
                if answer == 0:
                    become_a_run(folder, log, errors)
                    os.environ.clear()
                    os.environ.update(environment)
                    os.close(ready)
                    os.close(tell)
                    return module, arguments
                os.close(tell)
                os.read(ready, 1)  # returns when the child has closed its end
                os.close(ready)
            case "wait", process, seconds:
                answer = ended(process, seconds)
            case "all_gone", seconds:
                answer = all_gone(seconds)
        print(json.dumps(answer), flush=True)
    return None


def load(module: str) -> None:
    if module in sys.modules:
        return
    importlib.import_module(module)
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1  # others would be missing in the children
    gc.freeze()  # so that a child does not go through, and copy, all that was loaded when it ends


def become_a_run(folder: str, log: str, errors: str) -> None:
    """Detach a child from the server, as far as a new process would be."""
    os.setsid()
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for path, target in ((log, 1), (errors, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), target)
    faulthandler.enable()  # SIGABRT prints where it was


def ended(process: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL)


def all_gone(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    with suppress(ChildProcessError):  # there are no children
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(POLL)
        return False
    return True


if __name__ == "__main__":
    run = serve()
    if run is not None:
        from util.errors import run_script

        module, arguments = run
        sys.argv = [module, *arguments]
        run_script(importlib.import_module(module).main)
