"""The real commands that train S2M and fusion, on tiny data."""

import argparse
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from model import S2MNetwork, load_fusion, load_s2m
from model.checkpoint import load_file
from scripts import show_samples, train_s2m
from scripts.train_s2m import s2m_task
from tests import forked_runs
from tests.conftest import read_png, refused, run_main
from tests.training.test_train_script import run_here, saved, stopped_after
from tests.training.training_trees import write_davis_train, write_static

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
    write_davis_train(root / "DAVIS/trainval", "v1", "v2", frames=4, scale=0.3)
    out = ["--output", root / "fusion_data/davis/run", "--separation", 3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.generate_fusion.load_network", lambda *_: loaded)
        given = ["--davis_root", root / "DAVIS", "--model", weights_file, "--device", "cpu"]
        run_main(patch, "scripts.generate_fusion", *given, *out)
    return root


def test_fusion_is_trained_by_its_command(fusion_tree, weights_file, tmp_path):
    data = ["--fusion_root", fusion_tree / "fusion_data", "--davis_root", fusion_tree / "DAVIS"]
    flags = ["--stage", 1, *data, "--model", weights_file, "--crop_size", 64, *COMMON, "-i", 1]
    forked_runs.run(tmp_path, "scripts.train_fusion", *flags).check_returncode()
    load_fusion(saved(tmp_path, "1.pth"))


@pytest.mark.slow
def test_s2m_trains_stops_and_resumes(static_root, tmp_path, monkeypatch):
    """With dropout, whose random numbers depend on the iteration."""
    monkeypatch.setattr(train_s2m, "imagenet_state_dict", lambda: None)
    flags = ["--static_root", static_root, "--crop_size", 64, *COMMON, "-i", 3]
    whole, stopped, resumed = (tmp_path / name for name in ("whole", "stopped", "resumed"))
    run_here(whole, monkeypatch, *flags, module=train_s2m)
    with stopped_after(2, monkeypatch):
        run_here(stopped, monkeypatch, *flags, module=train_s2m)
    flags += ["--load_model", saved(stopped, "checkpoint.pth")]
    run_here(resumed, monkeypatch, *flags, module=train_s2m)
    load_s2m(saved(whole, "3.pth"))
    final = load_file(saved(whole, "3.pth"))
    assert all(torch.equal(t, final[n]) for n, t in load_file(saved(resumed, "3.pth")).items())


def test_batch_norm_of_s2m_is_shared_between_gpus_and_refused_between_cpu_processes(static_root, tmp_path):
    roots = {"static_root": static_root, "lvis_root": None}
    settings = argparse.Namespace(**roots, crop_size=64, seed=0, amp=False, load_deeplab=None)
    on_gpus, on_cpus = (SimpleNamespace(device=torch.device(d), is_distributed=True) for d in ("cuda", "cpu"))
    network = s2m_task(settings, on_gpus).forward.network
    kinds = {type(module) for module in network.modules()}
    assert nn.SyncBatchNorm in kinds and nn.BatchNorm2d not in kinds
    assert list(network.state_dict()) == list(S2MNetwork().state_dict())
    assert "use one process on a CPU" in refused(s2m_task, settings, on_cpus)


def test_samples_of_both_are_drawn(static_root, fusion_tree, tmp_path, monkeypatch):
    out = tmp_path / "s2m.png"
    flags = ["--static_root", static_root, "--samples", 2, "--output", out]
    run_main(monkeypatch, show_samples.__name__, "--s2m", *flags)
    picture = read_png(out)
    assert picture.shape[1] > 2.5 * picture.shape[0] / 2
    assert (picture == (40, 255, 40)).all(axis=2).any()  # scribbles on the object
    out = tmp_path / "fusion.png"
    roots = ["--fusion_root", fusion_tree / "fusion_data", "--davis_root", fusion_tree / "DAVIS"]
    run_main(monkeypatch, show_samples.__name__, "--fusion", 1, *roots, "--samples", 2, "--output", out)
    assert read_png(out).shape[2] == 3
