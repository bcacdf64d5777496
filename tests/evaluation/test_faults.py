"""Runs that are killed at any moment, and run again: they end as if nothing had happened."""

import os
import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model import PropagationNetwork
from model.checkpoint import load_file
from tests.conftest import write_frames, write_labels
from tests.downloads.http_files import serving
from tests.downloads.test_download_datasets import PACKED, tree, zipped
from tests.forked_runs import Runs, forked_runs
from tests.golden_weights import fill
from tests.training.training_trees import write_static
from util.settings_record import SETTINGS_FILE

KILLS = 50  # of each program
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PROMPT = 600  # seconds after a signal by which a run must have ended, on a machine with much else to do
ORPHAN = 120  # seconds after its end by which all its processes must have ended
LONGEST = 600  # seconds that an undisturbed run may take

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs():
    with forked_runs() as runs:
        yield runs


@dataclass
class Trial:
    """A program that is killed again and again.

    Attributes:
        runs: where it runs.
        script: as `python -m` names it.
        command: its arguments, for the folder to work in; None when there is no work left.
        result: all that is to be the same in the end.
        untrue: names what is not as it should be in between, in a folder, given the result in the end.
        signals: to kill with.
    """

    runs: Runs
    script: str
    command: Callable[[Path], list[object] | None]
    result: Callable[[Path], object] = tree
    untrue: Callable[[Path, Any], list[str]] = lambda folder, expected: []
    signals: Sequence[signal.Signals] = SIGNALS
    chance: random.Random = field(init=False)
    killed: Counter[str] = field(init=False)
    slowest: float = field(init=False)
    longest: float = field(init=False, default=0.0)

    def endure(self, folder: Path, kills: int, seed: int = 0) -> None:
        """Kill runs at random moments until that was done `kills` times, and compare every end."""
        self.chance, self.killed, self.slowest = random.Random(seed), Counter(), 0.0
        shared = dead_shared_memory()
        self.runs.load(self.script)
        start = time.monotonic()
        expected = self.work(folder / "undisturbed", 0)
        self.longest = time.monotonic() - start
        works = 0
        while self.killed.total() < kills:
            assert self.work(folder / str(works), kills, expected) == expected
            works += 1
        assert dead_shared_memory() == shared
        print(
            f"{dict(self.killed)} in {works} works; "
            f"undisturbed {self.longest:.1f} s, slowest stop {self.slowest:.2f} s"
        )

    def work(self, place: Path, kills: int, expected: object = None) -> object:
        """Start runs in a folder until one comes to its end, and return the result.

        The first one is killed, and half of the others, while there have been fewer than `kills`.
        """
        place.mkdir()
        log = place.with_suffix(".log")
        command = self.command(place)
        doomed = True
        while command is not None:
            doomed &= self.killed.total() < kills
            status = self.run(place, log, command, self.chance.uniform(0, self.longest) if doomed else None)
            assert self.runs.all_gone(ORPHAN), "processes are left"
            assert "Traceback" not in printed(log), printed(log)
            if status == 0:
                break
            assert not self.untrue(place, expected)
            command = self.command(place)
            doomed = self.chance.random() < 0.5
        result = self.result(place)
        shutil.rmtree(place)
        return result

    def run(self, place: Path, log: Path, command: list[object], moment: float | None) -> int:
        """Return the exit status of one run, which is killed when a moment has passed."""
        process = self.runs.start(place, log, self.script, *command)
        status = self.runs.wait(process, LONGEST if moment is None else moment)
        if status is not None or moment is None:
            assert status == 0, printed(log)
            return status
        number = self.chance.choice(self.signals)
        start = time.monotonic()
        (os.killpg if self.chance.random() < 0.5 else os.kill)(process, number)
        status = self.runs.wait(process, PROMPT)
        self.slowest = max(self.slowest, time.monotonic() - start)
        if status is None:  # show in the log where it hangs
            os.kill(process, signal.SIGABRT)
            self.runs.wait(process, PROMPT)
        assert status in (0, -number, 128 + number), printed(log)
        self.killed[number.name] += status != 0
        return status


def printed(log: Path) -> str:
    return log.read_text(errors="replace")


def dead_shared_memory() -> set[str]:
    """Names of shared memory whose process is gone."""
    names = {path.name: re.findall(r"\d+", path.name) for path in Path("/dev/shm").glob("torch_*")}
    return {name for name, numbers in names.items() if not Path("/proc", numbers[0]).exists()}


def not_as_in_the_end(folder: Path, expected: dict[str, bytes]) -> list[str]:
    """Name the files under their final names that differ from what they will be."""
    return [
        name
        for name, content in tree(folder).items()
        if not Path(name).name.startswith(".") and expected.get(name) != content
    ]


def test_evaluation(runs, tmp_path, clip, weights_file):
    davis = tmp_path / "davis"
    for name, count in (("a", 3), ("b", 5)):
        write_frames(davis / "JPEGImages/480p" / name, clip["frames"][:count, :32, :48])
        write_labels(davis / f"Annotations/480p/{name}/00000.png", clip["labels"][0, 20:52, 40:88])
    flags = ["--davis", davis, "--model", weights_file, "--device", "cpu", "--contact_sheet"]

    def command(folder):
        return [*flags, "--output", folder / "out"]

    def result(folder):  # but for the record, which says where it lies
        return {name: content for name, content in tree(folder).items() if SETTINGS_FILE not in name}

    Trial(runs, "eval_davis_2016", command, result, not_as_in_the_end).endure(tmp_path, KILLS)


def test_downloading_data(runs, tmp_path):
    noise = np.random.default_rng(0)
    with serving() as server:
        for name in ("DAVIS-2016.zip", "static_data.zip"):
            top = next(iter(PACKED[name])).split("/")[0]
            more = {f"{top}/more/{i}.bin": noise.bytes(20_000) for i in range(100)}
            server.files[name] = zipped(PACKED[name] | more)
        server.pause = 0.03

        def command(folder):
            only = ["--only", "davis16", "static"]
            return ["--root", folder, "--mirror", server.url, "--yes", *only]

        def untrue(folder, expected):
            final = {
                name: data for name, data in tree(folder).items() if re.match(r"static|DAVIS/2016", name)
            }
            return [name for name, data in final.items() if expected.get(name) != data]

        Trial(runs, "download_datasets", command, untrue=untrue).endure(tmp_path, KILLS)


def test_training(runs, tmp_path):
    iterations = 3
    start = tmp_path / "start.pth"
    torch.save(fill(PropagationNetwork(single_object=True)).state_dict(), start)
    for index in range(3):
        write_static(tmp_path / "static/ecssd", str(index), 60, 80)
    flags = [
        *("--stage", 0, "-b", 1, "-i", iterations, "--crop_size", 32, "--lr", 1e-4, "--device", "cpu"),
        *("--num_workers", 1, "--checkpoint_interval", 1, "--static_root", tmp_path / "static"),
    ]

    def command(folder):
        checkpoints = sorted(folder.glob("saves/*/*_checkpoint.pth"), key=lambda path: path.stat().st_mtime)
        if not checkpoints:
            return [*flags, "--load_network", start]
        if load_file(checkpoints[-1])["it"] == iterations:  # it is saved last
            return None
        return [*flags, "--load_model", checkpoints[-1]]

    class Weights(dict[str, torch.Tensor]):
        def __eq__(self, other: object) -> bool:
            return self.keys() == other.keys() and all(torch.equal(self[n], other[n]) for n in self)

    def result(folder):
        assert not list(folder.glob("saves/*/.*"))
        return Weights(load_file(max(folder.glob(f"saves/*/*_{iterations}.pth"))))

    Trial(runs, "train", command, result).endure(tmp_path, KILLS)
