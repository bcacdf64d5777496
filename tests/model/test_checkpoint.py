"""Weights and checkpoints: whole, damaged, of other networks, and malicious."""

import argparse
import os
import re

import numpy as np
import pytest
import torch

from model import PropagationNetwork, load_network
from model.checkpoint import load_file, load_state, network_state, read_network, save_checkpoint
from model.training.trainer import read_checkpoint
from tests.conftest import refused
from util.errors import InputError


@pytest.fixture(scope="module")
def state(network):
    return dict(network.state_dict())


SETTINGS = argparse.Namespace(lr=1e-5, seed=np.int64(3))
BESIDE = [SETTINGS, np.bool_(True), np.float32(0.5), {"rng": np.random.get_state()}]
WRAPPED = {
    "published": lambda state: state,
    "of DataParallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "beside settings": lambda state: {"args": BESIDE, **state},
    "half": lambda state: {
        "network": {n: t.half() if t.is_floating_point() else t for n, t in state.items()}
    },
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_the_state_dict_is_found_in_every_kind_of_file(kind, state, tmp_path):
    few = {name: tensor.flatten()[:3].clone() for name, tensor in list(state.items())[:50]}
    save_checkpoint(WRAPPED[kind](few), tmp_path / "w.pth")
    found = network_state(load_file(tmp_path / "w.pth"))
    assert found.keys() == few.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, few[name], atol=1e-3 if kind == "half" else 0, rtol=1e-3)


def test_a_single_object_file_is_recognised(tmp_path):
    with torch.device("meta"):
        empty = PropagationNetwork(single_object=True).state_dict()
    torch.save(
        {name: torch.zeros_like(each, device="cpu") for name, each in empty.items()}, tmp_path / "w.pth"
    )
    assert read_network(tmp_path / "w.pth").single_object


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder.pred.bias": None}, "1 weights are .* (decoder.pred.bias,"),
        (
            {"decoder.extra": torch.zeros(1), "kv_m_f16.key_proj.bias": torch.zeros(3)},
            "2 weights are .* (decoder.extra, kv_m_f16.key_proj.bias,",
        ),
    ],
)
def test_mismatched_weights_are_named_and_not_loaded(changes, message, state, network):
    changed = {name: tensor for name, tensor in {**state, **changes}.items() if tensor is not None}
    before = network.decoder.pred.bias.clone()
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        load_state(network, changed, "w.pth")
    assert torch.equal(network.decoder.pred.bias, before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "whole PyTorch checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "is a Git LFS pointer"),
        (b"\n<!DOCTYPE html>\n<html><body>Quota exceeded</body></html>", "is a web page, not a checkpoint"),
        (None, "there is no checkpoint"),
        ([1, 2], "holds a list"),
    ],
)
def test_a_file_without_a_state_dict_is_refused(content, message, tmp_path):
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(
        InputError, match=f"{re.escape(str(path))}.*{message}|{message}.*{re.escape(str(path))}"
    ):
        load_file(path)


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


def test_a_file_that_would_run_code_is_refused_without_running_it(tmp_path):
    torch.save({"network": Malicious(str(tmp_path / "ran"))}, tmp_path / "w.pth")
    assert "would run code" in refused(load_file, tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore")  # PyTorch warns of such files
def test_a_damaged_file_is_loaded_or_refused_by_name(tmp_path):
    random, path, refused = np.random.default_rng(0), tmp_path / "w.pth", 0
    torch.save({"network": {"a": torch.zeros(2, 3)}, "it": 3, "list": [1, 2.5, "t", None]}, path)
    whole = path.read_bytes()
    for number in range(40):
        content = bytearray(whole)
        for place in random.integers(len(content), size=4):
            content[place] = random.integers(256)
        path.write_bytes(content[: random.integers(len(content))] if number % 5 == 0 else content)
        try:
            assert isinstance(load_file(path), dict)
        except InputError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 7


def test_an_incomplete_checkpoint_cannot_be_continued(tmp_path):
    torch.save({"it": 1, "network": {}, "optimizer": {}, "settings": {}}, tmp_path / "c.pth")
    message = r"c\.pth is no checkpoint of a training run, it lacks scheduler.* --load_network"
    assert re.search(message, refused(read_checkpoint, tmp_path / "c.pth"))


def test_a_device_that_does_not_exist_is_named(weights_file):
    for device in ("gpu", "cuda:77", 3.5):
        assert "there is no device" in refused(load_network, weights_file, device)
