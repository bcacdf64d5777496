import copy

import pytest
import torch
from torch import nn

from model.fast_inference import winograd
from model.fast_inference.winograd_steps import WinogradConvolution, use_winograd_in_training
from model.modules import PartialConv2d

CPU = torch.device("cpu")
PARTS = slice(None, 128), slice(128, None)


def gradients(compute, weights, x):
    """Return the result of a convolution, and the gradients of weights and input for a random gradient."""
    x = x.clone().requires_grad_()
    result = compute(x)
    torch.manual_seed(1)
    of_result = torch.randn(result.shape).to(result.dtype)
    return result, *torch.autograd.grad(result, [*weights, x], of_result)


def assert_near(ours, expected):
    """Compare with double precision; the tolerance is a few float32 units of the largest number."""
    for own, exact in zip(ours, expected, strict=True):
        assert (own.shape, own.dtype) == (exact.shape, torch.float32)
        assert (own - exact).abs().max() < 2e-5 * exact.abs().max()


def taken(network, monkeypatch):
    """Use Winograd convolutions in a network and count their calls."""
    calls = []
    apply = WinogradConvolution.apply
    monkeypatch.setattr(WinogradConvolution, "apply", lambda *args: calls.append(1) or apply(*args))
    use_winograd_in_training(network)
    return calls


@pytest.mark.parametrize(("shape", "bias"), [((1, 40, 40), True), ((3, 25, 21), False)], ids=str)
def test_results_and_gradients_equal_those_of_the_convolution(shape, bias, monkeypatch):
    monkeypatch.setattr(winograd, "BAND_BYTES", 500_000)  # some tiles at once
    images, height, width = shape
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(192, 128, 3, padding=1, bias=bias))
    exact = copy.deepcopy(network).double()
    x = torch.randn(images, 192, height, width)
    calls = taken(network, monkeypatch)
    ours = gradients(network, list(network.parameters()), x)
    assert len(calls) == 1
    assert_near(ours, gradients(exact, list(exact.parameters()), x.double()))


@pytest.mark.parametrize("where", ["input", "gradient"])
def test_numbers_that_are_not_finite_reach_the_gradients(where):
    """The trainer then stops before the step."""
    network = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1))
    use_winograd_in_training(network)
    x, of_result = torch.randn(1, 128, 40, 40), torch.randn(1, 128, 40, 40)
    (x if where == "input" else of_result)[0, 7, 20, 20] = torch.nan
    (gradient, _) = torch.autograd.grad(network(x), list(network.parameters()), of_result)
    assert not gradient.isfinite().all()


def test_parts_of_input_channels(monkeypatch):
    torch.manual_seed(0)
    network = nn.Sequential(PartialConv2d(PARTS, 320, 128))
    (exact,) = copy.deepcopy(network).double()
    x = torch.randn(1, 320, 40, 40)
    calls = taken(network, monkeypatch)

    def in_parts(x):
        return network[0](x[:, PARTS[0]], PARTS[0], bias=False) + network[0](x[:, PARTS[1]], PARTS[1])

    ours = gradients(in_parts, list(network.parameters()), x)
    assert len(calls) == 2
    assert_near(ours, gradients(exact, list(exact.parameters()), x.double()))
