import os
import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from model import PropagationNetwork, load_network
from model.checkpoint import load_file
from model.training.trainer import Trainer
from scripts.training import loop
from tests import forked_runs
from tests.conftest import ROOT, run_main
from tests.dataset.recipe_statistics import RECIPE
from tests.golden_weights import with_golden_weights
from tests.training.training_trees import write_davis_train, write_static, write_video
from util.errors import InputError
from util.hyper_para import check_same_run, parse_training_settings
from util.ranks import Ranks
from util.stages import STAGES, max_jump_at

with torch.device("meta"):
    SINGLE = PropagationNetwork(single_object=True)  # for the order of its parameters
FLAGS = ["--stage", 0, "-b", 2, "--steps", 2, "--crop_size", 32, "--lr", 1e-4]
LOGS = ["--num_workers", 1, "--log_interval", 1, "--image_interval", 2, "--device", "cpu"]


@pytest.fixture(scope="module")
def static_root(tmp_path_factory):
    """Pictures with masks in the layout of the static data sets; six samples, three batches an epoch."""
    root = tmp_path_factory.mktemp("static")
    for number in range(6):
        write_static(root / "ecssd", str(number), 60, 80)
    return root


@pytest.fixture(scope="module")
def flags(static_root, single_object_weights):
    return [*FLAGS, *LOGS, "--static_root", static_root, "--load_network", single_object_weights]


@pytest.fixture(scope="module")
def single_object_weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "single.pth"
    torch.save(with_golden_weights(PropagationNetwork, single_object=True).state_dict(), path)
    return path


def run_here(folder, monkeypatch, *arguments, module=train):
    """Run a training script in this process, with `folder` as the working directory; return the status."""
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as ended:
        run_main(monkeypatch, module.__name__, *arguments)
    return ended.value.code


@contextmanager
def stopped_after(iteration, monkeypatch):
    """Let runs get SIGTERM after an iteration."""
    step = Trainer.step

    def step_and_stop(trainer, batch):
        result = step(trainer, batch)
        if trainer.iteration == iteration:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", step_and_stop)
        yield


def events(folder):
    accumulator = EventAccumulator(str(next((folder / "log").iterdir())))
    accumulator.Reload()
    return accumulator


def losses(folder):
    """Return iteration -> losses, as TensorBoard reads them."""
    accumulator = events(folder)
    frames = [accumulator.Scalars(f"loss/frame_{frame}") for frame in (1, 2)]
    return {first.step: (first.value, second.value) for first, second in zip(*frames, strict=True)}


def saved(folder, ending):
    return next((folder / "saves").glob(f"*/*_{ending}"))


def without_weights(flags):
    where = flags.index("--load_network")
    return flags[:where] + flags[where + 2 :]


@pytest.mark.slow
def test_a_run_stopped_by_a_signal_and_resumed_equals_the_one_that_was_not(tmp_path, monkeypatch, flags):
    whole, stopped, resumed = tmp_path / "whole", tmp_path / "stopped", tmp_path / "resumed"
    run_here(whole, monkeypatch, *flags, "-i", 3, "--id", "whole", "--debug", "--save_interval", 3)
    names = [path.name for path in (whole / "saves").glob("*/*")]
    assert [re.sub(r"^\d{4}-\d\d-\d\d_\d\d\.\d\d\.\d\d_whole_", "", name) for name in names] == ["3.pth"]

    with stopped_after(2, monkeypatch):
        status = run_here(stopped, monkeypatch, *flags, "-i", 3)
    assert status == 143  # not 0: what comes after a finished stage must not begin
    checkpoint = saved(stopped, "checkpoint.pth")
    again = [*without_weights(flags), "-i", 3, "--load_model", checkpoint]
    run_here(resumed, monkeypatch, *again)
    expected = losses(whole)
    assert list(expected) == [1, 2, 3]
    assert losses(stopped) == {1: expected[1], 2: expected[2]}
    assert losses(resumed) == {3: expected[3]}
    final = load_file(saved(whole, "3.pth"))
    assert all(torch.equal(t, final[n]) for n, t in load_file(saved(resumed, "3.pth")).items())

    # the learning rate, and what else TensorBoard shows
    accumulator = events(whole)
    rates = [event.value for event in accumulator.Scalars("optimiser/learning_rate")]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-5])
    assert 0 <= accumulator.Scalars("iou/object_1")[-1].value <= 1
    assert [image.step for image in accumulator.Images("samples")] == [2]
    (commit,) = accumulator.Tensors("git commit/text_summary")
    assert re.search(rb"[0-9a-f]{40}|not a git checkout", commit.tensor_proto.string_val[0])

    with pytest.raises(InputError, match="has finished its 3 iterations"):
        run_here(resumed, monkeypatch, *again[:-1], saved(resumed, "checkpoint.pth"))


@pytest.mark.parametrize("changed", [{"iterations": 9}, {"model": None}])
def test_a_checkpoint_is_continued_only_by_the_same_run(changed):
    before = {"stage": 0, "iterations": 7, "seed": 1, "model": "a.pth", "num_workers": 2}
    check_same_run(before, {**before, "num_workers": 8}, Path("checkpoint.pth"))
    ((name, value),) = changed.items()
    with pytest.raises(
        InputError, match=rf"checkpoint.pth is of .*{name} {before[name]} \(now {value}\): give"
    ):
        check_same_run(before, {**before, **changed}, Path("checkpoint.pth"))


@pytest.mark.parametrize("stage", [1, 2])
def test_gaps_change_at_the_epochs_of_the_original(stage):
    golden = RECIPE["max_jump_epochs"]
    for epochs, _, changes in golden[f"stage_{stage}"]["rows"]:
        bounds, bound = dict(changes), golden["start_skip"]
        for epoch in range(epochs):
            bound = bounds.get(epoch, bound)
            assert max_jump_at(STAGES[stage], epoch, epochs) == bound, (epochs, epoch)


def test_a_run_named_null_writes_nothing(tmp_path, monkeypatch, flags, caplog):
    caplog.set_level("INFO")
    run_here(tmp_path, monkeypatch, *flags, "-i", 1, "--id", "NULL", "--debug")
    assert not list(tmp_path.iterdir())
    assert "it 1: loss/total" in caplog.text
    assert "Finished; nothing is saved at the end (--debug or --id NULL)." in caplog.text


def test_a_checkpoint_of_the_original_goes_on(tmp_path, monkeypatch, flags, single_object_weights, caplog):
    """The state is that of an older PyTorch: steps are whole numbers, newer settings are not there."""
    network = load_file(single_object_weights)
    params = {name: torch.nn.Parameter(network[name]) for name, _ in SINGLE.named_parameters()}
    adam = torch.optim.Adam(params.values(), lr=1e-4, weight_decay=1e-7)
    for parameter in params.values():
        parameter.grad = torch.full_like(parameter, 1e-3)
    adam.step()
    state = adam.state_dict()
    for moments in state["state"].values():
        moments["step"] = 3
    kept = ("lr", "betas", "eps", "weight_decay", "amsgrad", "params")
    state["param_groups"] = [{name: group[name] for name in kept} for group in state["param_groups"]]
    state["param_groups"][0] |= {"initial_lr": 1e-4, "lr": 1e-5}
    counted = {"last_epoch": 3, "_step_count": 4, "verbose": False, "_get_lr_called_within_step": False}
    schedule = {
        "milestones": Counter({2: 1}),
        "gamma": 0.1,
        "base_lrs": [1e-4],
        "_last_lr": [1e-5],
        **counted,
    }
    path = tmp_path / "original_checkpoint.pth"
    torch.save({"it": 3, "network": network, "optimizer": state, "scheduler": schedule}, path)

    caplog.set_level("INFO")
    monkeypatch.chdir(tmp_path)
    again = [*without_weights(flags), "-i", 4, "--load_model", path]
    settings, ranks = parse_training_settings([str(a) for a in again]), Ranks(torch.device("cpu"))
    trainer = loop.begin_trainer(train.propagation_task(settings, ranks), settings, {}, ranks)
    assert "samples that follow are not those of the old run" in caplog.text
    assert trainer.iteration == 3
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(1e-5)
    first = trainer.optimizer.state_dict()["state"][0]
    assert first["step"] == 3
    torch.testing.assert_close(first["exp_avg"], state["state"][0]["exp_avg"])


def test_bad_input_is_one_clear_sentence(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"give fss at --static_root or .*; looked for .*none"):
        run_here(tmp_path, monkeypatch, "--stage", 0, "--static_root", tmp_path / "none")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="give one of them"):
        parse_training_settings(["--stage", "0", "--load_model", "a", "--load_network", "b"])
    for flags in (["--crop_size", "100"], ["--id", "a/b"], ["-b", "0"]):
        with pytest.raises(SystemExit):
            parse_training_settings(["--stage", "0", *flags])


@pytest.mark.slow
def test_the_three_stages_one_after_the_other(tmp_path, static_root):
    """The real commands on tiny trees in the real layouts; each stage starts from the last one's network."""
    bl, youtube, davis = tmp_path / "BL30K", tmp_path / "YouTube", tmp_path / "DAVIS"
    write_video(bl / "JPEGImages", bl / "Annotations", "c")
    write_video(youtube / "train_480p/JPEGImages", youtube / "train_480p/Annotations", "a", step=5)
    write_davis_train(davis / "2017/trainval", "b", labels=(1,))

    common = ["--crop_size", 32, "-b", 1, "-i", 2, "--num_workers", 0, "--log_interval", 1, "--device", "cpu"]
    common += ["--yv_subset", "all"]
    roots = ["--static_root", static_root, "--bl_root", bl, "--yv_root", youtube, "--davis_root", davis]
    before = None
    for stage in range(3):
        folder = tmp_path / f"stage_{stage}"
        folder.mkdir()
        start = ["--load_network", before] if before else []
        flags = ["--stage", stage, *common, *roots, *start]
        offline = {"https_proxy": "http://127.0.0.1:9", "TORCH_HOME": str(tmp_path)}
        done = forked_runs.run(folder, "train", *flags, **offline)
        assert done.returncode == 0, done.stderr
        before = saved(folder, "2.pth")
        channels = load_file(before)["mask_rgb_encoder.conv1.weight"].shape[1]
        assert channels == (4 if stage == 0 else 5)
        assert sorted(losses(folder)) == [1, 2]
        assert ("from scratch" in done.stderr) == (stage == 0)
    load_network(before)


@pytest.mark.slow
def test_little_shared_memory_is_one_sentence(tmp_path, flags):
    mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("a small /dev/shm takes the right to mount in a private namespace (unshare -m)")
    command = [sys.executable, ROOT / "train.py", *flags, "--crop_size", 320, "-i", 2]
    run = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *command]
    done = subprocess.run([*map(str, run)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"^error: the shared memory \(/dev/shm\) of .* is full: make it", done.stderr, re.M)
    assert "Traceback" not in done.stderr
