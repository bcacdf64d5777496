"""Weights and checkpoints that are damaged, foreign, hostile or of another time."""

import argparse
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from model import PropagationNetwork
from model.checkpoint import load_file, load_state, network_state, read_network
from model.training.trainer import read_checkpoint
from util.errors import InputError


@pytest.fixture(scope="module")
def state(network):
    return dict(network.state_dict())


@pytest.fixture(scope="module")
def target():
    """A network to load into; refused files leave it as it is."""
    return PropagationNetwork()


def saved(content, **options) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


SMALL = {"network": {"a": torch.zeros(2, 3), "b": torch.arange(4)}, "it": 3, "list": [1, 2.5, "t", None]}
FILES = {
    "zip": saved(SMALL),
    "legacy": saved(SMALL, _use_new_zipfile_serialization=False),
    "pickle": pickle.dumps({"a": 1}, protocol=2),
}


@pytest.mark.filterwarnings("ignore")  # PyTorch's, of what it finds in such files
@pytest.mark.parametrize("kind", FILES)
def test_whatever_is_in_a_file_it_is_loaded_or_named(kind, tmp_path):
    random, path, refused = np.random.default_rng(0), tmp_path / "w.pth", 0
    for number in range(60):
        content = bytearray(FILES[kind])
        for place in random.integers(len(content), size=4):
            content[place] = random.integers(256)
        path.write_bytes(content[: random.integers(len(content))] if number % 5 == 0 else content)
        try:
            assert isinstance(load_file(path), dict)
        except InputError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bias: bias * torch.nan, r"numbers that are not finite in 1 entries \(decoder.pred.bias"),
        (lambda bias: bias.int(), "1 mis-typed: decoder.pred.bias torch.int32 instead of torch.float32"),
    ],
)
def test_weights_that_cannot_work_are_refused_and_nothing_is_loaded(change, message, state, target):
    before = target.decoder.pred.bias.clone()
    broken = network_state({**state, "decoder.pred.bias": change(state["decoder.pred.bias"])})
    with pytest.raises(InputError, match=message):
        load_state(target, broken, "w.pth")
    assert torch.equal(target.decoder.pred.bias, before)


def test_half_precision_is_read(state):
    read = network_state({"decoder.pred.bias": state["decoder.pred.bias"].half()})
    assert read["decoder.pred.bias"].dtype == torch.float32
    torch.testing.assert_close(read["decoder.pred.bias"], state["decoder.pred.bias"], atol=0.05, rtol=0)


PARTS = {"it": 1, "network": {}, "optimizer": {}, "scheduler": {}, "scaler": {}, "settings": {}}


def test_files_that_are_no_whole_checkpoint_cannot_be_continued(tmp_path):
    torch.save({k: v for k, v in PARTS.items() if k != "scaler"}, tmp_path / "c.pth")
    with pytest.raises(
        InputError, match=r"c\.pth is no checkpoint of a training run, it lacks .* --load_network"
    ):
        read_checkpoint(tmp_path / "c.pth")


SETTINGS = argparse.Namespace(lr=1e-5, root=Path("data"), seed=np.int64(3))
BESIDE = [SETTINGS, np.int64(3), np.bool_(True), np.float32(0.5), {"rng": np.random.get_state()}]


@pytest.mark.parametrize("zipped", [True, False])
def test_what_lies_beside_the_weights_does_not_matter(zipped, tmp_path):
    content = {"args": BESIDE, "state_dict": SMALL["network"]}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    found = network_state(load_file(tmp_path / "w.pth"))
    assert found.keys() == SMALL["network"].keys()
    assert torch.equal(found["b"], SMALL["network"]["b"])


def test_weights_without_counts_of_batches_are_loaded(state, tmp_path):
    counted = [name for name in state if name.endswith("num_batches_tracked")]
    torch.save({name: tensor for name, tensor in state.items() if name not in counted}, tmp_path / "w.pth")
    read = read_network(tmp_path / "w.pth").state_dict()
    assert len(counted) == 86
    assert all(torch.equal(read[name], state[name]) for name in state if name not in counted)
    assert all(read[name] == 0 for name in counted)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "is a Git LFS pointer"),
        (b"\n<!DOCTYPE html>\n<html><body>Quota exceeded</body></html>", "is a web page, not a checkpoint"),
    ],
)
def test_what_was_fetched_in_place_of_a_file_is_said(content, reason, tmp_path):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(InputError, match=rf"w\.pth {reason}"):
        load_file(tmp_path / "w.pth")
