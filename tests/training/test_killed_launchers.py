"""What becomes of a run's processes when the one that started them is killed."""

import os
import signal

import pytest

from model.checkpoint import load_file
from tests.conftest import ROOT, write_frames, write_labels
from tests.forked_runs import forked_runs
from tests.training.training_trees import write_static

LAUNCHER = ["torch.distributed.run", "--standalone", "--nproc_per_node=2"]
STARTED = 900  # seconds by which a run must be at work
GONE = 180  # seconds by which all its processes must have ended
FRAMES = 2000  # enough to be at work for minutes


@pytest.fixture
def killed(tmp_path):
    """Start a run, kill its first process when it is at work, and tell whether the others end."""

    def kill(is_at_work, *command):
        log = tmp_path / "printed.txt"  # training makes a folder "log"
        with forked_runs() as runs:
            process = runs.start(tmp_path, log, *command)
            for _ in range(STARTED):
                assert runs.wait(process, 1) is None, log.read_text()
                if is_at_work(log.read_text()):
                    break
            os.kill(process, signal.SIGKILL)
            assert runs.wait(process, GONE) == -signal.SIGKILL
            return runs.all_gone(GONE)

    return kill


@pytest.mark.slow
def test_evaluation_ends_with_its_launcher(killed, tmp_path, clip, weights_file):
    write_frames(tmp_path / "davis/JPEGImages/480p/a", [clip["frames"][0, :32, :48]] * FRAMES)
    write_labels(tmp_path / "davis/Annotations/480p/a/00000.png", clip["labels"][0, 20:52, 40:88])
    (tmp_path / "davis/JPEGImages/480p/b").symlink_to(tmp_path / "davis/JPEGImages/480p/a")
    (tmp_path / "davis/Annotations/480p/b").symlink_to(tmp_path / "davis/Annotations/480p/a")
    out = tmp_path / "out"
    flags = ["--davis", tmp_path / "davis", "--model", weights_file, "--device", "cpu", "--output", out]

    def masks(video):
        return list((out / video).glob("[0-9]*.png"))

    assert killed(lambda log: masks("a") and masks("b"), *LAUNCHER, ROOT / "eval_davis_2016.py", *flags)
    assert max(len(masks("a")), len(masks("b"))) < FRAMES
    assert not list(out.glob("*/.*"))


TRAINING = ["--stage", 0, "-b", 1, "-i", FRAMES, "--crop_size", 32, "--device", "cpu", "--num_workers", 1]


@pytest.fixture
def training(tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # from scratch
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    write_static(tmp_path / "static/ecssd", "x", 60, 80)
    return [*TRAINING, "--static_root", tmp_path / "static", "--log_interval", 1]


@pytest.mark.slow
def test_training_saves_its_state_and_ends_with_its_launcher(killed, tmp_path, training):
    assert killed(lambda log: "it 1:" in log, *LAUNCHER, ROOT / "train.py", *training)
    (checkpoint,) = tmp_path.glob("saves/*/*_checkpoint.pth")
    assert 1 <= load_file(checkpoint)["it"] < FRAMES


@pytest.mark.slow
def test_loading_processes_end_with_the_training_process(killed, training):
    assert killed(lambda log: "it 1:" in log, "train", *training)
