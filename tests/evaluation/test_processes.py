"""Evaluation by several processes, and by processes that are killed."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests import forked_runs
from tests.conftest import contents, run_script, slow, write_davis
from tests.forked_runs import run_two_ranks
from util.ranks import share

LENGTHS = {"a": 2, "b": 4, "c": 3}
WORKS = 8  # each is killed twice
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PATIENCE = 120  # seconds by which a run must have ended, on a machine with much else to do


@pytest.fixture(scope="module")
def davis(tmp_path_factory, clip):
    root = tmp_path_factory.mktemp("davis")
    for name, count in LENGTHS.items():
        frames, truth = clip["frames"][:count, :48, :64], [clip["labels"][1, :48, :64]]
        write_davis(root, name, frames, truth, "2016/val")
    return root


@pytest.fixture(scope="module")
def flags(davis, weights_file):
    return ["--davis", davis, "--model", weights_file, "--device", "cpu"]


@pytest.fixture(scope="module")
def alone(flags, tmp_path_factory):
    """The files of one undisturbed process."""
    out = tmp_path_factory.mktemp("alone")
    run_script("eval_davis_2016.py", *flags, "--output", out)
    return contents(out, "*.png")


def test_the_longest_video_is_given_to_the_rank_with_the_least_work():
    assert share([3, 6, 4, 5], 2) == [[1, 0], [3, 2]]
    assert share([1, 1], 3) == [[0], [1], []]
    assert share([], 2) == [[], []]


def launched(log, *flags):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    return run_script(*launcher, "eval_davis_2016.py", *flags).stdout


def forked(log, *flags):
    return run_two_ranks(log, "eval_davis_2016", *flags)


@pytest.mark.parametrize("start", [forked, slow(launched)])
def test_two_ranks_write_the_same_files_as_one(start, alone, flags, tmp_path):
    said = start(tmp_path / "log", *flags, "--output", tmp_path / "out")
    assert contents(tmp_path / "out", "*.png") == alone
    assert said.count("Total processed frames: 9") == 1  # rank 0 speaks for all


def finished(folder: Path) -> dict[str, bytes]:
    """Files with their final names, without the record, which says where it lies."""
    found = contents(folder)
    return {name: found[name] for name in found if not Path(name).name.startswith(".")}


def run(folder: Path, flags, moment: float | None, chance: random.Random) -> int:
    """Return the exit status of one run, which gets a signal after `moment` seconds."""
    log = folder.with_suffix(".log")
    process = forked_runs.start(folder, log, "eval_davis_2016", *flags, "--output", folder / "out")
    status = forked_runs.wait(process, PATIENCE if moment is None else moment)
    allowed = {0}
    if status is None and moment is not None:
        number = chance.choice(SIGNALS)
        (os.killpg if chance.random() < 0.5 else os.kill)(process, number)
        status = forked_runs.wait(process, PATIENCE)
        allowed |= {-number, 128 + number}
    said = log.read_text(errors="replace")
    assert status in allowed and "Traceback" not in said, said
    assert forked_runs.all_gone(PATIENCE), "processes are left"
    return status


@pytest.mark.slow
def test_killed_runs_leave_whole_files_and_a_last_run_completes_them(tmp_path, flags):
    """A run that is killed at any moment and then repeated gives the files of an undisturbed one."""
    flags, chance = [*flags, "--contact_sheet"], random.Random(0)
    (tmp_path / "undisturbed").mkdir()
    forked_runs.run(tmp_path, "eval_davis_2016", "--help")  # loads PyTorch for all runs
    start = time.monotonic()
    assert run(tmp_path / "undisturbed", flags, None, chance) == 0
    longest = time.monotonic() - start
    expected = finished(tmp_path / "undisturbed")
    for number in range(WORKS):
        folder = tmp_path / str(number)
        folder.mkdir()
        for _ in range(2):
            run(folder, flags, chance.uniform(0, longest), chance)
            assert finished(folder).items() <= expected.items()
        assert run(folder, flags, None, chance) == 0
        assert finished(folder) == expected
