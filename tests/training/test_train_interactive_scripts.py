"""The real commands that train S2M and fusion, on tiny data."""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from model import S2MNetwork, load_fusion, load_s2m
from model.checkpoint import load_file
from scripts import show_samples
from scripts.train_s2m import s2m_task
from tests import forked_runs
from tests.conftest import ROOT, read_png, run_main
from tests.training.test_train_script import events, run_until, saved
from tests.training.training_trees import write_static, write_video
from util.errors import InputError

COMMON = ["-b", 2, "--num_workers", 0, "--log_interval", 1, "--device", "cpu", "--seed", 3]


@pytest.fixture(scope="module")
def static_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("static")
    for name in "abc":
        write_static(root / "ecssd", name)
    return root


@pytest.fixture(scope="module")
def fusion_tree(tmp_path_factory, loaded, weights_file):
    """Two videos in the layout of DAVIS, and what generate_fusion makes of them."""
    root = tmp_path_factory.mktemp("fusion")
    trainval = root / "DAVIS/trainval"
    for name in ("v1", "v2"):
        write_video(trainval / "JPEGImages/480p", trainval / "Annotations/480p", name, frames=4, scale=0.4)
    (trainval / "ImageSets/2017").mkdir(parents=True)
    (trainval / "ImageSets/2017/train.txt").write_text("v1\nv2\n")
    out = ["--output", root / "fusion_data/davis/run", "--separation", 3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.generate_fusion.load_network", lambda *_: loaded)
        given = ["--davis_root", root / "DAVIS", "--model", weights_file, "--device", "cpu"]
        run_main(patch, "scripts.generate_fusion", *given, *out)
    return root


@pytest.fixture(scope="module")
def bl_tree(fusion_tree, weights_file):
    """The same videos in the layout of BL30K too."""
    trainval, bl = fusion_tree / "DAVIS/trainval", fusion_tree / "BL30K"
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(trainval / kind / "480p", bl / kind)
    out = ["--output", fusion_tree / "fusion_data/bl/run", "--separation", 3]
    with pytest.MonkeyPatch.context() as patch:
        given = ["--bl_root", bl, "--model", weights_file, "--device", "cpu"]
        run_main(patch, "scripts.generate_fusion", *given, *out)
    return fusion_tree


def offline(folder):
    """The environment of a run of this checkout that finds no weights to start from."""
    places = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "PYTHONPATH": os.pathsep.join(places),
        "https_proxy": "http://127.0.0.1:9",
        "TORCH_HOME": str(folder),
    }


def run(folder, module, *flags):
    """Run a command of the project in `folder`, without a way to the outside; return what it said."""
    folder.mkdir(exist_ok=True)
    done = forked_runs.run(folder, module, *flags, **offline(folder))
    assert done.returncode == 0, done.stderr
    return done.stderr


def launch(folder, launcher, *arguments):
    """Run a command of the project in `folder` by a launcher, which is new from the ground up."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", launcher, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **offline(folder)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def totals(folder):
    return {event.step: event.value for event in events(folder).Scalars("loss/total")}


def stopped_and_resumed(tmp_path, monkeypatch, iterations, *command):
    """Check that a run stopped by SIGTERM and resumed equals one that was not; return that one's folder."""
    for name, value in offline(tmp_path).items():
        monkeypatch.setenv(name, value)
    whole, stopped, resumed = (tmp_path / name for name in ("whole", "stopped", "resumed"))
    command = [*command, "-i", iterations]
    run(whole, *command)
    status, printed = run_until(stopped, "it 1:", *command)
    assert status == 128 + signal.SIGTERM, printed
    checkpoint = saved(stopped, "checkpoint.pth")
    at = load_file(checkpoint)["it"]
    assert 1 <= at < iterations
    run(resumed, *command, "--load_model", checkpoint)
    expected = totals(whole)
    assert {**totals(stopped), **totals(resumed)} == expected
    final = load_file(saved(whole, f"{iterations}.pth"))
    assert all(torch.equal(t, final[n]) for n, t in load_file(saved(resumed, f"{iterations}.pth")).items())
    return whole


def test_fusion_is_trained_by_its_command(fusion_tree, weights_file, tmp_path):
    data = ["--fusion_root", fusion_tree / "fusion_data", "--davis_root", fusion_tree / "DAVIS"]
    flags = ["--stage", 1, *data, "--model", weights_file, "--crop_size", 64, *COMMON, "-i", 1]
    run(tmp_path / "f", "scripts.train_fusion", *flags)
    load_fusion(saved(tmp_path / "f", "1.pth"))


def test_batch_norm_of_s2m_is_shared_between_gpus_and_refused_between_cpu_processes(static_root, tmp_path):
    roots = {"static_root": static_root, "lvis_root": None}
    settings = argparse.Namespace(**roots, crop_size=64, seed=0, amp=False, load_deeplab=None)
    on_gpus, on_cpus = (SimpleNamespace(device=torch.device(d), is_distributed=True) for d in ("cuda", "cpu"))
    network = s2m_task(settings, on_gpus).forward.network
    kinds = {type(module) for module in network.modules()}
    assert nn.SyncBatchNorm in kinds and nn.BatchNorm2d not in kinds
    assert list(network.state_dict()) == list(S2MNetwork().state_dict())
    with pytest.raises(InputError, match="use one process on a CPU"):
        s2m_task(settings, on_cpus)


@pytest.mark.slow
def test_s2m_trains_stops_and_resumes(static_root, tmp_path, monkeypatch):
    flags = ["--static_root", static_root, "--crop_size", 64]
    whole = stopped_and_resumed(tmp_path, monkeypatch, 5, "scripts.train_s2m", *flags, *COMMON)
    load_s2m(saved(whole, "5.pth"))
    assert all(0 < loss < 20 for loss in totals(whole).values())


@pytest.mark.slow
def test_fusion_trains_in_two_stages_stops_and_resumes(bl_tree, weights_file, tmp_path, monkeypatch):
    roots = ["--fusion_root", bl_tree / "fusion_data", "--bl_root", bl_tree / "BL30K"]
    roots += ["--davis_root", bl_tree / "DAVIS", "--model", weights_file, "--crop_size", 64]
    command = ["scripts.train_fusion", *roots, *COMMON]
    whole = stopped_and_resumed(tmp_path, monkeypatch, 5, *command, "--stage", 0)
    first = saved(whole, "5.pth")
    printed = run(tmp_path / "second", *command, "--stage", 1, "--load_network", first, "-i", 2)
    assert re.search(r"Fusion, stage 1: 2 samples", printed)
    load_fusion(saved(tmp_path / "second", "2.pth"))


def test_samples_of_both_are_drawn(static_root, fusion_tree, loaded, weights_file, tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.show_samples.load_network", lambda *_: loaded)
    out = tmp_path / "s2m.png"
    flags = ["--static_root", static_root, "--samples", 2, "--output", out]
    run_main(monkeypatch, show_samples.__name__, "--s2m", *flags)
    picture = read_png(out)
    assert picture.shape[1] > 2.5 * picture.shape[0] / 2
    assert (picture == (40, 255, 40)).all(axis=2).any()  # scribbles on the object
    out = tmp_path / "fusion.png"
    roots = ["--fusion_root", fusion_tree / "fusion_data", "--davis_root", fusion_tree / "DAVIS"]
    run_main(
        *(monkeypatch, show_samples.__name__, "--fusion", 1, "--model", weights_file, *roots),
        *("--samples", 2, "--output", out, "--device", "cpu"),
    )
    assert read_png(out).shape[2] == 3
