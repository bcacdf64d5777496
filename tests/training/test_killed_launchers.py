"""What becomes of the processes of a training that a signal ends."""

import os
import random
import signal

import pytest
import torch

from model import PropagationNetwork
from model.checkpoint import load_file
from tests import forked_runs
from tests.conftest import ROOT
from tests.training.training_trees import write_static

LAUNCHER = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", ROOT / "train.py"]
TRAINING = ["--stage", 0, "-b", 1, "-i", 2000, "--crop_size", 32, "--device", "cpu", "--num_workers", 1]
GONE = 180  # seconds by which all its processes must have ended


@pytest.mark.slow
def test_training_saves_its_state_and_ends_with_its_launcher(tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # from scratch
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    write_static(tmp_path / "static/ecssd", "x", 60, 80)
    flags = [*TRAINING, "--static_root", tmp_path / "static", "--log_interval", 1]
    log = tmp_path / "printed.txt"  # training makes a folder "log"
    process = forked_runs.start(tmp_path, log, *LAUNCHER, *flags)
    while "it 1:" not in log.read_text():
        assert forked_runs.wait(process, 1) is None, log.read_text()
    os.kill(process, signal.SIGKILL)
    assert forked_runs.wait(process, GONE) == -signal.SIGKILL
    assert forked_runs.all_gone(GONE)
    (checkpoint,) = tmp_path.glob("saves/*/*_checkpoint.pth")
    assert 1 <= load_file(checkpoint)["it"] < 2000


@pytest.mark.slow
def test_a_signal_to_the_process_group_stops_a_training_quietly_at_any_moment(tmp_path):
    write_static(tmp_path / "static/ecssd", "x", 60, 80)
    flags = [*TRAINING, "--static_root", tmp_path / "static", "--load_network", fresh_weights(tmp_path)]
    chance = random.Random(0)
    for number in range(20):
        folder, log = tmp_path / str(number), tmp_path / f"{number}.log"
        folder.mkdir()
        process = forked_runs.start(folder, log, "train", *flags, "--debug")
        while "Logging to" not in log.read_text():
            assert forked_runs.wait(process, 0.01) is None, log.read_text()
        assert forked_runs.wait(process, chance.uniform(0, 0.5)) is None  # its loading process starts
        os.killpg(process, signal.SIGTERM)
        assert forked_runs.wait(process, GONE) == 143
        assert "Traceback" not in log.read_text()
        assert forked_runs.all_gone(GONE)


def fresh_weights(folder):
    path = folder / "start.pth"
    torch.save(PropagationNetwork(single_object=True).state_dict(), path)
    return path
