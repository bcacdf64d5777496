import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model import PropagationNetwork
from model.fast_inference import preparation, winograd
from model.fast_inference.preparation import prepare_for_inference
from model.fast_inference.winograd import POINTS, WinogradConv2d, is_suited, matrices

CPU = torch.device("cpu")
UNIT = {torch.float32: 2**-24, torch.bfloat16: 2**-9}  # greatest relative error of rounding


@pytest.mark.parametrize("points", POINTS.values())
def test_the_matrices_make_a_correlation_of_one_axis(points):
    a, g, b = matrices(points)
    random = np.random.default_rng(0)
    x, w = random.standard_normal(b.shape[1]), random.standard_normal(3)
    np.testing.assert_allclose(a @ ((g @ w) * (b @ x)), np.correlate(x, w), atol=1e-12)
    assert len(a) * 3 > len(g)  # fewer multiplications than summing up


def drawn(images, channels, outputs, height, width, dtype=torch.float32):
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, outputs, 3, padding=1)
    return conv, torch.randn(images, channels, height, width).to(dtype)


def in_double(conv, x, channels=slice(None)):
    return F.conv2d(x.double(), conv.weight.double()[:, channels], conv.bias.double(), padding=1)


@torch.inference_mode()
@pytest.mark.parametrize("dtype", POINTS)
@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1), (1, 4, 4), (2, 5, 3), (3, 16, 27), (1, 2, 50)],
    ids=lambda shape: "x".join(map(str, shape)),
)
@pytest.mark.parametrize("band", [1, 40_000, 1 << 24])  # single rows of tiles; some rows; several images
def test_it_is_the_convolution_for_any_size_and_band(shape, band, dtype, monkeypatch):
    monkeypatch.setattr(winograd, "BAND_BYTES", band)
    images, height, width = shape
    conv, x = drawn(images, 24, 40, height, width, dtype)
    ours = WinogradConv2d(conv, dtype)(x)
    assert (ours.shape, ours.dtype) == ((images, 40, height, width), dtype)
    largest = 200 if dtype == torch.float32 else 20  # units; the results are of order 1
    torch.testing.assert_close(ours.double(), in_double(conv, x), atol=largest * UNIT[dtype], rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 13), (torch.bfloat16, 2)])
def test_errors_of_rounding_are_small_on_average(dtype, most):
    """Summing up makes 5.5 and 0.54 units where these make 10.4 and 1.5."""
    conv, x = drawn(1, 256, 256, 24, 24, dtype)
    error = WinogradConv2d(conv, dtype)(x).double() - in_double(conv, x)
    assert error.abs().mean() < most * UNIT[dtype]


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "largest"), [(torch.float32, 100), (torch.bfloat16, 20)])
def test_some_input_channels_alone_and_no_bias(dtype, largest):
    conv, x = drawn(2, 24, 40, 9, 10, dtype)
    ours = WinogradConv2d(conv, dtype)
    halves = ours(x[:, :8], slice(None, 8), bias=False).double() + ours(x[:, 8:], slice(8, None)).double()
    torch.testing.assert_close(halves, in_double(conv, x), atol=largest * UNIT[dtype], rtol=0)


def test_only_wide_convolutions_of_stride_one_are_replaced():
    wide = {"in_channels": 256, "out_channels": 512, "kernel_size": 3, "padding": 1}
    assert is_suited(nn.Conv2d(**wide))
    for other in (
        {"kernel_size": 1, "padding": 0},
        {"in_channels": 64},
        {"out_channels": 64},
        {"stride": 2},
        {"padding": 0},
        {"dilation": 2},
        {"groups": 2},
        {"padding_mode": "reflect"},
    ):
        assert not is_suited(nn.Conv2d(**{**wide, **other}))


@pytest.mark.parametrize(
    ("amp", "matrix_unit", "replaced"), [(False, True, True), (True, False, True), (True, True, False)]
)
def test_a_network_is_prepared_for_the_processor(amp, matrix_unit, replaced, monkeypatch):
    monkeypatch.setattr(preparation, "has_matrix_unit", lambda: matrix_unit)
    with torch.device("meta"):  # layers alone, no numbers
        network = PropagationNetwork()
    wide = sum(is_suited(module) for module in network.modules() if isinstance(module, nn.Conv2d))
    assert wide > 20
    network = prepare_for_inference(network.to_empty(device=CPU), CPU, amp)
    modules = [type(module) for module in network.modules()]
    assert modules.count(WinogradConv2d) == (wide if replaced else 0)
    assert nn.BatchNorm2d not in modules
    assert network.dtype == (torch.bfloat16 if amp else torch.float32)
