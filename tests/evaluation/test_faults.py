"""An evaluation that is killed at any moment and run again gives the same files as an undisturbed one."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests import forked_runs
from tests.conftest import contents, write_davis

WORKS = 8  # each is killed twice
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PATIENCE = 120  # seconds by which a run must have ended, on a machine with much else to do


def finished(place: Path) -> dict[str, bytes]:
    """Files with their final names, without the record, which says where it lies."""
    found = contents(place)
    return {name: found[name] for name in found if not Path(name).name.startswith(".")}


def run(place: Path, flags, moment: float | None, chance: random.Random) -> int:
    """Return the exit status of one run, which gets a signal after `moment` seconds."""
    log = place.with_suffix(".log")
    process = forked_runs.start(place, log, "eval_davis_2016", *flags, "--output", place / "out")
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
def test_killed_runs_leave_whole_files_and_a_last_run_completes_them(tmp_path, clip, weights_file):
    davis, chance = tmp_path / "davis", random.Random(0)
    for name, count in (("a", 3), ("b", 5)):
        truth = [clip["labels"][0, 20:52, 40:88]]
        write_davis(davis, name, clip["frames"][:count, :32, :48], truth, "2016/val")
    flags = ["--davis", davis, "--model", weights_file, "--device", "cpu", "--contact_sheet"]
    (tmp_path / "undisturbed").mkdir()
    forked_runs.run(tmp_path, "eval_davis_2016", "--help")  # loads PyTorch for all runs
    start = time.monotonic()
    assert run(tmp_path / "undisturbed", flags, None, chance) == 0
    longest = time.monotonic() - start
    expected = finished(tmp_path / "undisturbed")
    for number in range(WORKS):
        place = tmp_path / str(number)
        place.mkdir()
        for _ in range(2):
            run(place, flags, chance.uniform(0, longest), chance)
            assert finished(place).items() <= expected.items()
        assert run(place, flags, None, chance) == 0
        assert finished(place) == expected
