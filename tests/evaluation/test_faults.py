"""Runs that are killed at any moment, and run again: they end as if nothing had happened."""

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
import torch

from model import PropagationNetwork
from model.checkpoint import load_file
from tests import forked_runs
from tests.conftest import contents, write_davis
from tests.golden_weights import fill
from tests.training.training_trees import write_static
from util.settings_record import SETTINGS_FILE

KILLS = 50  # of each program
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PATIENCE = 600  # seconds by which a run must have ended, on a machine with much else to do

pytestmark = pytest.mark.slow


def endure(folder: Path, script: str, command, result, check=lambda place, expected: None) -> None:
    """Kill runs of a script at random moments, start them again, and compare every end.

    Args:
        folder: holds a folder for each work.
        script: name of the script, as `python -m` names it.
        command: returns the arguments for a folder; None when there is no work left.
        result: returns what must be the same in the end.
        check: is called with a folder after each kill, and with the result of the undisturbed run.
    """
    chance, killed, work = random.Random(0), 0, 0
    shared = dead_shared_memory()
    start = time.monotonic()
    expected = None
    longest = None
    while expected is None or killed < KILLS:
        place, work = folder / str(work), work + 1
        place.mkdir()
        doomed = expected is not None
        while (arguments := command(place)) is not None:
            moment = chance.uniform(0, longest) if doomed else None
            status = run(place, script, arguments, moment, chance)
            assert forked_runs.all_gone(PATIENCE), "processes are left"
            if status == 0:
                break
            killed += 1
            check(place, expected)
            doomed = killed < KILLS and chance.random() < 0.5
        longest = longest or time.monotonic() - start
        expected = expected or result(place)
        assert result(place) == expected
    assert dead_shared_memory() == shared


def run(place: Path, script: str, arguments, moment: float | None, chance: random.Random) -> int:
    """Return the exit status of one run, which gets a signal after `moment` seconds."""
    log = place.with_suffix(".log")
    process = forked_runs.start(place, log, script, *arguments)
    status = forked_runs.wait(process, PATIENCE if moment is None else moment)
    allowed = {0}
    if status is None and moment is not None:
        number = chance.choice(SIGNALS)
        (os.killpg if chance.random() < 0.5 else os.kill)(process, number)
        status = forked_runs.wait(process, PATIENCE)
        allowed |= {-number, 128 + number}
    if status is None:  # show in the log where it hangs
        os.kill(process, signal.SIGABRT)
        forked_runs.wait(process, PATIENCE)
    said = log.read_text(errors="replace")
    assert status in allowed and "Traceback" not in said, said
    return status


def dead_shared_memory() -> set[str]:
    """Names of shared memory whose process is gone."""
    names = {path.name: re.findall(r"\d+", path.name) for path in Path("/dev/shm").glob("torch_*")}
    return {name for name, numbers in names.items() if not Path("/proc", numbers[0]).exists()}


def test_evaluation(tmp_path, clip, weights_file):
    davis = tmp_path / "davis"
    for name, count in (("a", 3), ("b", 5)):
        truth = [clip["labels"][0, 20:52, 40:88]]
        write_davis(davis, name, clip["frames"][:count, :32, :48], truth, "2016/val")
    flags = ["--davis", davis, "--model", weights_file, "--device", "cpu", "--contact_sheet"]

    def result(place):  # but for the record, which says where it lies
        return {name: data for name, data in contents(place).items() if SETTINGS_FILE not in name}

    def check(place, expected):  # what has its final name is whole
        for name, data in result(place).items():
            assert Path(name).name.startswith(".") or expected[name] == data, name

    endure(*(tmp_path, "eval_davis_2016"), lambda place: [*flags, "--output", place / "out"], result, check)


def test_training(tmp_path):
    iterations = 3
    start = tmp_path / "start.pth"
    torch.save(fill(PropagationNetwork(single_object=True)).state_dict(), start)
    for index in range(3):
        write_static(tmp_path / "static/ecssd", str(index), 60, 80)
    flags = [
        *("--stage", 0, "-b", 1, "-i", iterations, "--crop_size", 32, "--lr", 1e-4, "--device", "cpu"),
        *("--num_workers", 1, "--checkpoint_interval", 1, "--static_root", tmp_path / "static"),
    ]

    def command(place):
        checkpoints = sorted(place.glob("saves/*/*_checkpoint.pth"), key=lambda path: path.stat().st_mtime)
        if not checkpoints:
            return [*flags, "--load_network", start]
        if load_file(checkpoints[-1])["it"] == iterations:  # it is saved last
            return None
        return [*flags, "--load_model", checkpoints[-1]]

    def result(place):
        assert not list(place.glob("saves/*/.*"))
        weights = load_file(max(place.glob(f"saves/*/*_{iterations}.pth")))
        return {name: tensor.numpy().tobytes() for name, tensor in weights.items()}

    endure(tmp_path, "train", command, result)
