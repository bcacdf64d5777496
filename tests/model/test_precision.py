import pytest
import torch

from model.fast_inference import precision
from model.fast_inference.precision import bfloat16_is_quicker  # before the suite replaces it
from util.device import PRECISIONS

CPU = torch.device("cpu")


@pytest.mark.parametrize(("seconds", "is_quicker"), [(0.4, True), (0.97, False), ([9, 5, 0.5, 7, 6], True)])
def test_auto_takes_bfloat16_where_it_is_clearly_quicker(seconds, is_quicker, monkeypatch):
    """With a simulated clock: float32 takes a second; one slow call does not decide."""
    now = [0.0]

    def prepare(network, device, amp):
        def compute(x):
            now[0] += (seconds.pop(0) if isinstance(seconds, list) else seconds) if amp else 1.0

        return compute

    monkeypatch.setattr(precision, "prepare_for_inference", prepare)
    monkeypatch.setattr(precision.time, "perf_counter", lambda: now[0])
    assert bfloat16_is_quicker.__wrapped__(16, 16) == is_quicker


def test_a_given_precision_or_a_gpu_needs_no_trial(monkeypatch):
    monkeypatch.delattr(precision, "bfloat16_is_quicker")
    assert [precision.is_reduced(each, torch.device("meta")) for each in PRECISIONS] == [False, False, True]
    assert [precision.is_reduced(each, CPU) for each in PRECISIONS[1:]] == [False, True]
