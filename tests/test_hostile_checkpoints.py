"""Weights and checkpoints that are damaged, foreign, hostile or of another time."""

import io
import pickle

import numpy as np
import pytest
import torch

from model import PropagationNetwork
from model.checkpoint import load_file, load_network, load_state, network_state
from model.training.propagation_forward import PropagationForward
from model.training.trainer import Trainer, read_checkpoint
from util.errors import InputError
from util.ranks import Ranks


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
    for number in range(150):
        content = bytearray(FILES[kind])
        for place in random.integers(len(content), size=4):
            content[place] = random.integers(256)
        path.write_bytes(content[: random.integers(len(content))] if number % 5 == 0 else content)
        try:
            assert isinstance(load_file(path), dict)
        except InputError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 30


@pytest.mark.parametrize(
    "content",
    [{"network": [1, 2]}, {"network": {}}, {}, {3: torch.zeros(1)}, {"state_dict": SMALL["network"]}],
)
def test_files_of_something_else_do_not_fit(content, tmp_path):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"w\.pth does not fit the propagation network \(597 missing"):
        load_network(tmp_path / "w.pth")


def test_a_file_that_leads_in_circles_has_an_end(tmp_path):
    circle = {"state": {"a": torch.zeros(1)}}
    circle["again"] = circle["state"]["back"] = circle
    torch.save(circle, tmp_path / "w.pth")
    assert network_state(load_file(tmp_path / "w.pth")).keys() == {"a"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bias: bias * torch.nan, r"numbers that are not finite in 1 entries \(decoder.pred.bias"),
        (lambda bias: bias - torch.inf, "numbers that are not finite"),
        (lambda bias: bias.half() * 1e6, "numbers that are not finite"),
        (lambda bias: bias.int(), "1 mis-typed: decoder.pred.bias torch.int32 instead of torch.float32"),
        (lambda bias: bias.to_sparse(), "1 mis-typed"),
        (lambda bias: bias.to(torch.complex64), "1 mis-typed"),
    ],
)
def test_weights_that_cannot_work_are_refused_and_nothing_is_loaded(change, message, state, target):
    before = target.decoder.pred.bias.clone()
    broken = network_state({**state, "decoder.pred.bias": change(state["decoder.pred.bias"])})
    with pytest.raises(InputError, match=message):
        load_state(target, broken, "w.pth")
    assert torch.equal(target.decoder.pred.bias, before)


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16, torch.double])
def test_floating_point_numbers_of_any_width_are_read(dtype, state):
    read = network_state({f"module.{name}": state[name].to(dtype) for name in ("decoder.pred.bias",)})
    assert read["decoder.pred.bias"].dtype == torch.float32
    torch.testing.assert_close(read["decoder.pred.bias"], state["decoder.pred.bias"], atol=0.05, rtol=0)


PARTS = {"it": 1, "network": {}, "optimizer": {}, "scheduler": {}, "scaler": {}, "settings": {}}


@pytest.mark.parametrize(
    "content",
    [{k: v for k, v in PARTS.items() if k != "scaler"}, {**PARTS, "it": "1"}, {**PARTS, "settings": 1}],
)
def test_files_that_are_no_whole_checkpoint_cannot_be_continued(content, tmp_path):
    torch.save(content, tmp_path / "c.pth")
    with pytest.raises(
        InputError, match=r"c\.pth is no checkpoint of a training run, it lacks .* --load_network"
    ):
        read_checkpoint(tmp_path / "c.pth")


def test_an_optimiser_of_something_else_is_refused(state, target, tmp_path):
    trainer = Trainer(PropagationForward(target), Ranks(torch.device("cpu")))
    other = torch.optim.Adam([torch.zeros(1, requires_grad=True)]).state_dict()
    for optimizer in ({}, other):
        with pytest.raises(
            InputError, match=r"the optimiser's state in .*c\.pth does not fit .* --load_network"
        ):
            trainer.load_checkpoint({**PARTS, "network": state, "optimizer": optimizer}, tmp_path / "c.pth")
    assert trainer.iteration == 0
