import os
import re

import pytest
import torch
from torch import nn

from model import PropagationNetwork, load_network
from model.checkpoint import (
    load_file,
    network_state,
    save_checkpoint,
)
from util.errors import InputError

ADAM = {"state": {n: {"exp_avg": torch.zeros(2), "step": torch.tensor(1.0)} for n in range(700)}}


@pytest.fixture
def state(network):
    return dict(network.state_dict())


@torch.inference_mode()
def assert_same(ours, network):
    """Batch norm is folded by loading, so functions are compared, not names."""
    image, masks = torch.randn(1, 3, 32, 48), torch.rand(1, 2, 32, 48)
    query, expected = ours.encode_query(image), network.encode_query(image)
    torch.testing.assert_close(query.key, expected.key, atol=1e-4, rtol=1e-4)
    values, expected_values = (n.encode_memory(image, masks)[1] for n in (ours, network))
    torch.testing.assert_close(values, expected_values, atol=1e-4, rtol=1e-4)
    logits = ours.decode(values, query)
    torch.testing.assert_close(logits, network.decode(expected_values, expected), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"model": {f"module._orig_mod.{n}": t for n, t in state.items()}, "optimizer": ADAM},
        lambda state: {"best": {"hyper": {"lr": 0.1}, "model_state": state}, "step": torch.tensor(5)},
        lambda state: {name.replace("encoder.", "encoder.module."): t for name, t in state.items()},
    ],
    ids=["published", "DataParallel", "model, compiled", "two levels down", "DataParallel within"],
)
def test_every_kind_of_file_loads(wrap, state, tmp_path):
    few = {name: tensor.flatten()[:3].clone() for name, tensor in state.items()}  # of each: small files
    save_checkpoint(wrap(few), tmp_path / "w.pth")
    found = network_state(load_file(tmp_path / "w.pth"))
    assert found.keys() == few.keys()
    assert all(torch.equal(tensor, few[name]) for name, tensor in found.items())


def test_a_loaded_network_is_ready_and_computes_the_same(weights_file, network):
    loaded = load_network(weights_file)
    assert not loaded.training
    assert not any(isinstance(module, nn.BatchNorm2d) for module in loaded.modules())
    assert_same(loaded, network)


def test_a_single_object_file_is_recognised(tmp_path):
    torch.save(PropagationNetwork(single_object=True).state_dict(), tmp_path / "w.pth")
    assert load_network(tmp_path / "w.pth").single_object


def test_missing_unexpected_and_mis_shaped_entries_are_named(state, tmp_path):
    state["decoder.extra"] = state.pop("decoder.pred.bias")
    state["kv_m_f16.key_proj.bias"] = torch.zeros(3)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError) as error:
        load_network(tmp_path / "w.pth")
    assert "1 missing: decoder.pred.bias" in str(error.value)
    assert "1 unexpected: decoder.extra" in str(error.value)
    assert "1 mis-shaped: kv_m_f16.key_proj.bias (3,) instead of (128,)" in str(error.value)


def test_damaged_and_foreign_files_are_refused(state, tmp_path, weights_file):
    whole = weights_file.read_bytes()
    for name, content in {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"<html>quota exceeded</html>",
    }.items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        with pytest.raises(InputError, match=re.escape(str(path))):
            load_file(path)
    with pytest.raises(InputError, match="there is no checkpoint"):
        load_file(tmp_path / "nowhere.pth")
    with pytest.raises(InputError, match="the path of a checkpoint cannot be None"):
        load_file(None)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match="holds a list"):
        load_file(tmp_path / "list.pth")


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


def test_a_file_that_would_run_code_is_refused_without_running_it(tmp_path):
    torch.save({"network": Malicious(str(tmp_path / "ran"))}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="would run code"):
        load_file(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def test_a_device_that_is_not_there_is_named(weights_file):
    for device in ("gpu", "cuda:77", 3.5):
        with pytest.raises(InputError, match="there is no device"):
            load_network(weights_file, device)
