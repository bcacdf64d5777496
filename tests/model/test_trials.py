"""Trials of speed with a simulated clock: both outcomes, and choices shared by processes."""

import logging

import pytest
import torch

from model.fast_inference import precision, products, trials
from model.fast_inference.precision import is_reduced
from model.fast_inference.trials import adopt, choices, compare
from util.device import PRECISIONS

CPU = torch.device("cpu")


@pytest.fixture
def seconds(monkeypatch):
    """Simulate the clock: the seconds of each way are set here, by its dtype or name."""
    now, taken = [0.0], {}

    def way(*names):
        name = next(each for each in names if each in taken)

        def compute():
            now[0] += taken[name].pop(0) if isinstance(taken[name], list) else taken[name]

        return compute

    monkeypatch.setattr(trials.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(trials, "compare", compare)
    monkeypatch.setattr(trials, "chosen", {})
    monkeypatch.setattr(trials, "made", {})
    monkeypatch.setattr(precision, "inference", lambda size, dtype, by_winograd=None: way(by_winograd, dtype))
    monkeypatch.setattr(precision, "training_step", lambda size, dtype: way(dtype))
    return taken


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("reduced", "chosen"), [(0.4, True), (0.97, False), (1.8, False)])
def test_the_quicker_precision_is_chosen(reduced, chosen, training, seconds, caplog):
    caplog.set_level(logging.INFO)
    seconds |= {torch.float32: 0.5, torch.bfloat16: 0.5 * reduced}
    assert is_reduced("auto", CPU, (240, 427), training) == chosen
    seconds |= {torch.float32: reduced, torch.bfloat16: 1.0}
    assert is_reduced("auto", CPU, (240, 427), training) == chosen  # one trial decides
    kind = "training steps" if training else "frames"
    name = "reduced" if chosen else "float32"
    numbers = f"(float32 500 ms, reduced {500 * reduced:.3g} ms)"
    assert caplog.messages == [f"precision of {kind} of 427 x 240: {name}, by a trial {numbers}."]


def test_a_given_precision_or_a_gpu_needs_no_trial(seconds):
    assert [is_reduced(each, torch.device("meta")) for each in PRECISIONS] == [False, False, True]
    assert [is_reduced(each, CPU) for each in PRECISIONS[1:]] == [False, True]
    assert not trials.made


@pytest.mark.parametrize(("direct", "winograd"), [(0.9, False), (0.97, True)])
def test_bfloat16_uses_direct_convolutions_only_if_quicker(direct, winograd, seconds):
    seconds |= {True: 1.0, False: direct}
    assert precision.uses_winograd(torch.bfloat16) == winograd


def test_one_slow_call_does_not_decide(seconds):
    seconds |= {torch.float32: 0.1, torch.bfloat16: [0.09, 0.5, 0.05, 0.7, 0.6]}
    assert is_reduced("auto", CPU)


def test_a_trial_of_slow_ways_ends_after_two_runs(seconds):
    seconds |= {torch.float32: 1.0, torch.bfloat16: [9.0, 9.0]}  # there is no third run
    assert not is_reduced("auto", CPU)


def test_adopted_choices_need_no_trial(seconds):
    seconds |= {torch.float32: 1.0, torch.bfloat16: 0.5}
    assert is_reduced("auto", CPU)
    theirs = choices()
    trials.chosen.clear()
    adopt(dict.fromkeys(theirs, "float32") | {products.SUBJECT: "oneDNN"})
    assert not is_reduced("auto", CPU)
    assert products.onednn_is_quicker() == products.onednn_is_right()
