import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, run_script, run_two_ranks, slow, write_frames, write_labels
from util.files import HOST
from util.ranks import share

LENGTHS = {"a": 3, "b": 6, "c": 4, "d": 5}


@pytest.fixture(scope="module")
def davis(tmp_path_factory, clip):
    root = tmp_path_factory.mktemp("davis")
    for name, count in LENGTHS.items():
        write_frames(root / "JPEGImages/480p" / name, clip["frames"][:count, :80, :112])
        write_labels(root / f"Annotations/480p/{name}/00000.png", clip["labels"][0, :80, :112])
    return root


@pytest.fixture(scope="module")
def flags(davis, weights_file):
    return ["--davis", davis, "--model", weights_file, "--device", "cpu"]


@pytest.fixture(scope="module")
def alone(flags, tmp_path_factory):
    """The files of one undisturbed process."""
    out = tmp_path_factory.mktemp("alone")
    run_script("eval_davis_2016.py", *flags, "--output", out)
    return contents(out)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.suffix == ".png"}


def test_longest_first_to_the_least_loaded():
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
    assert contents(tmp_path / "out") == alone
    assert said.count("Total processed frames: 18") == 1  # rank 0 speaks for all


@pytest.mark.slow
def test_a_killed_run_leaves_whole_files_and_is_continued(alone, flags, tmp_path):
    command = [sys.executable, "eval_davis_2016.py", *map(str, flags), "--output", str(tmp_path)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while len(list(tmp_path.rglob("[!.]*.png"))) < 8 and process.poll() is None:  # b is finished, d is begun
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

    after_kill = {name: data for name, data in contents(tmp_path).items() if not name.name.startswith(".")}
    assert 8 <= len(after_kill) < 18
    assert after_kill.items() <= alone.items()  # not one truncated PNG
    first = tmp_path / "b"  # the longest video is done first
    before = {p: p.stat().st_mtime_ns for p in first.iterdir()}
    (tmp_path / f"d/.00001.{HOST}.99999999.part.png").write_bytes(b"half")  # left by a kill

    run_script("eval_davis_2016.py", *flags, "--output", tmp_path)
    assert contents(tmp_path) == alone
    assert {p: p.stat().st_mtime_ns for p in first.iterdir()} == before
