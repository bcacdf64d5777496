"""What a one-shot fit is made of: masks carried by the read, its schedule and its verdict."""

import math
import re

import pytest
import torch
import torch.nn.functional as F

from model.network import PropagationNetwork
from model.training.propagation_forward import PropagationForward
from scripts.one_shot.forwards import (
    DOUBT,
    KeyForward,
    RememberedForward,
    carried_logits,
    interpolate_positions,
    pool_at_positions,
)
from scripts.one_shot.held_out import describe_fit, score_held_out
from scripts.one_shot.training import (
    FULL_PART,
    KEY_BATCH,
    KEY_PART,
    LAST_RATE,
    MORE_RATE,
    MORE_STEPS,
    SCRATCH_SAMPLES,
    WARM_UP,
    Fit,
    rate_factor,
)
from tests.conftest import slow
from tests.golden_weights import with_golden_weights
from util.ranks import Ranks

ALONE = Ranks(torch.device("cpu"))
SELECTOR = torch.tensor([[1.0, 1.0], [1.0, 0.0]])


def test_masks_go_where_keys_are_alike():
    height, width = 48, 64
    grid = torch.eye(12).unsqueeze(0) * 40  # each of 3 x 4 positions like itself alone
    masks = torch.zeros(1, 2, height, width)
    masks[0, 0, :24, :24], masks[0, 1, 30:, 40:] = 1, 1
    moved = grid.view(1, 3, 4, 12).roll(1, dims=2).flatten(1, 2)  # all one position to the right
    logits = carried_logits(grid.repeat(2, 1, 1), [masks], moved, (3, 4), torch.ones(1, 2))
    expected = interpolate_positions(pool_at_positions(masks).view(1, 2, 3, 4).roll(1, dims=3), height, width)
    # the keys of 12 channels leave a little to all the others
    prob = torch.sigmoid(logits[:, 1:])
    assert (prob - (DOUBT + (1 - 2 * DOUBT) * expected)).abs().max() < 1e-3
    alone = carried_logits(grid.repeat(2, 1, 1), [masks], moved, (3, 4), torch.tensor([[1.0, 0.0]]))
    assert torch.sigmoid(alone[0, 2]).max() < 1e-6


@pytest.fixture(scope="module")
def network():
    return with_golden_weights(PropagationNetwork)


def test_remembering_the_truth_is_propagation_that_was_right(batch, network, monkeypatch):
    plain, remembered = PropagationForward(network), RememberedForward(network)
    truth = torch.cat([batch["gt"][:, 1], batch["sec_gt"][:, 1]], dim=1)
    expected = plain(*plain.inputs(batch))
    found = remembered(*remembered.inputs(batch))
    assert found.shape[1] == 1
    assert not torch.allclose(found[:, 0], expected[:, 1])  # what was predicted for frame 1 is not the truth
    encode, given = network.encode_memory, iter([None, truth])
    monkeypatch.setattr(
        network, "encode_memory", lambda rgb, masks: encode(rgb, masks if (m := next(given)) is None else m)
    )
    right = plain(*plain.inputs(batch))
    torch.testing.assert_close(found[:, 0], right[:, 1], rtol=1e-4, atol=1e-4)
    assert torch.equal(remembered.truth(batch).target, batch["cls_gt"][:, 2:])


def test_keys_alone_carry_as_in_the_whole(batch, network):
    carrying, keys = RememberedForward(network, carry_masks=True), KeyForward(network)
    frames = {**batch, "rgb": batch["rgb"][:, [0, 0, 2]], "gt": batch["gt"][:, [0, 0, 2]]}
    frames["sec_gt"] = batch["sec_gt"][:, [0, 0, 2]]
    frames["remembered"] = batch["remembered"][:, [0, 0]]
    expected = carrying(*carrying.inputs(frames))  # a frame remembered twice weighs as once
    assert torch.equal(carrying.truth(batch).target, batch["cls_gt"][:, [2, 2]])
    network.zero_grad()
    found = keys(*keys.inputs(batch))
    torch.testing.assert_close(found[:, 1], expected[:, 1], rtol=1e-3, atol=1e-3)
    assert torch.equal(keys.truth(batch).target, batch["cls_gt"][:, 1:])
    found[:, 1].sum().backward()
    assert network.rgb_encoder.conv1.weight.grad.abs().max() > 0
    assert network.decoder.pred.weight.grad is None


@pytest.fixture(scope="module")
def batch():
    torch.manual_seed(0)
    labels = torch.zeros(2, 3, 32, 48, dtype=torch.long)
    labels[:, :, 4:20, 6:30] = 1
    labels[:1, :, 14:30, 20:44] = 2
    return {
        "rgb": torch.randn(2, 3, 3, 32, 48),
        "gt": (labels == 1)[:, :, None].float(),
        "sec_gt": (labels == 2)[:, :, None].float(),
        "cls_gt": labels,
        "selector": SELECTOR,
        "remembered": torch.stack([labels[:, :2] == 1, labels[:, :2] == 2], dim=2).float(),
    }


def test_the_rate_warms_up_and_settles():
    rates = [rate_factor(step, step / 50) for step in range(50)]
    assert rates[:WARM_UP] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    full = math.floor(FULL_PART * 50)
    assert set(rates[WARM_UP : full + 1]) == {1.0}
    middle = LAST_RATE + (1 - LAST_RATE) / 2
    assert rate_factor(50, (1 + FULL_PART) / 2) == pytest.approx(middle)
    assert LAST_RATE < rates[-1] < 2 * LAST_RATE
    assert rates[full:] == sorted(rates[full:], reverse=True)
    assert rate_factor(99, 1.5) == pytest.approx(LAST_RATE)


@pytest.mark.parametrize(
    ("overlaps", "rounds"), [([0.82], 0), ([0.5, 0.7, 0.85], 2), ([0.5, 0.6, 0.605], 2), ([0.5, 0.4], 1)]
)
def test_rounds_follow_until_the_overlap_is_good_or_no_longer_grows(overlaps, rounds, network, monkeypatch):
    taken = []
    looks = iter(overlaps)
    run = Fit(None, ALONE, True, 1e9, 2, lambda *_: None)
    monkeypatch.setattr(Fit, "_round", lambda run, trainer, size, lr, steps, *_: taken.append((lr, steps)))
    run.train(RememberedForward(network), 1e-5, overlap=lambda: next(looks))
    more = (MORE_RATE * 1e-5, MORE_STEPS)
    assert taken == [(1e-5, 2), *[more] * rounds]


@pytest.mark.parametrize(("steps", "seconds", "expected"), [(2, 1e9, (1, 2)), slow(None, 0.0, (1, 1))])
def test_a_fit_takes_the_steps_given_or_those_there_is_time_for(
    steps, seconds, expected, batch, monkeypatch, caplog
):
    monkeypatch.setattr("scripts.one_shot.training.TIMED_STEPS", 1)
    samples = Samples(batch)
    shown = []
    run = Fit(samples, ALONE, False, seconds, steps, lambda done, words: shown.append(done))
    network = PropagationNetwork()
    keys = run.start_from_scratch(network)
    taken = run.train(RememberedForward(network, carry_masks=True), 1e-5, KEY_PART)
    assert (keys, taken) == expected
    assert ("this processor is slow" in caplog.text) == (seconds == 0)
    assert shown == sorted(shown)
    assert shown[-1] == 1
    assert len(samples.drawn) == SCRATCH_SAMPLES + KEY_BATCH * keys + taken
    assert len(set(samples.drawn)) == len(samples.drawn)


class Samples:
    """The samples of a batch again and again; remembers which were drawn."""

    def __init__(self, batch):
        self.batch = batch
        self.drawn = []

    def __getitem__(self, index):
        self.drawn.append(index)
        return {name: value[index % 2] for name, value in self.batch.items()}


class TwoObjects:
    """Samples of two objects, 4 and 9, in either order."""

    objects = (4, 9)

    def __getitem__(self, index):
        labels = torch.zeros(3, 16, 16, dtype=torch.long)
        labels[:, :8, :8], labels[:, 8:, 8:] = 1, 2
        order = [[4, 9], [9, 4]][index % 2]
        return {"cls_gt": labels, "nine": torch.tensor(1 + order.index(9)), "info": {"labels": order}}


class KnowsNine:
    """Stands for a network that finds object 9, and takes object 4 for background."""

    def inputs(self, batch):
        return batch["cls_gt"], batch["nine"]

    def __call__(self, target, nine):
        answer = torch.where(target[:, 2] == nine, target[:, 2], 0)
        return F.one_hot(answer, 3).permute(0, 3, 1, 2)[:, None].repeat(1, 2, 1, 1, 1)


def test_each_object_has_its_own_score_and_a_poor_one_is_named():
    scores = score_held_out(KnowsNine(), TwoObjects(), ALONE)
    assert scores == {4: 0.0, 9: 1.0}
    said = describe_fit(scores, [4, 9])
    assert re.search(r"object 4 0 %, object 9 100 %", said)
    assert re.search(r"^warning: object 4 may be lost: give masks on more frames", said, re.MULTILINE)
    assert "warning" not in describe_fit({4: 0.9, 9: 0.8}, [4, 9])
    assert "; object 7 is in none of them." in describe_fit({4: 0.9, 9: 0.8}, [9, 7, 4])
