import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model import PropagationNetwork
from model.fast_inference import products, trials, winograd
from model.fast_inference.preparation import prepare_for_inference
from model.fast_inference.toom_cook import POINTS, matrices
from model.fast_inference.winograd import (
    BFLOAT16_TILE,
    COARSE_TILE,
    FINE_TILE,
    WinogradConv2d,
    is_suited,
    tile_of,
)
from model.modules import PartialConv2d
from tests.conftest import ROOT

CPU = torch.device("cpu")
COMPILED = """
import torch
from model.fast_inference import tile_kernels, top_k_read
from model.fast_inference.winograd import WinogradConv2d
conv = WinogradConv2d(torch.nn.Conv2d(64, 64, 3, padding=1), torch.float32, (4, 4))
conv(torch.rand(1, 64, 8, 8))
top_k_read.top_k_read(torch.rand(1, 40, 64), torch.rand(1, 40, 8), torch.rand(1, 32, 64), 4)
sums = (tile_kernels.input_sums, tile_kernels.product_sums, tile_kernels.gradient_sums)
loops = [*(each((4, 4), torch.float32) for each in sums), top_k_read.keep_best()]
print(*(len(loop.stats.cache_misses) for loop in loops), *(len(loop.stats.cache_hits) for loop in loops))
"""
TILES = [(torch.float32, FINE_TILE), (torch.float32, COARSE_TILE), (torch.bfloat16, BFLOAT16_TILE)]
UNIT = {torch.float32: 2**-24, torch.bfloat16: 2**-9}  # greatest relative error of rounding
LARGEST = {FINE_TILE: 1000, COARSE_TILE: 250, BFLOAT16_TILE: 30}  # errors in units, of results of order 1


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
@pytest.mark.parametrize(("dtype", "tile"), TILES)
@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1), (1, 6, 12), (2, 5, 3), (3, 16, 27), (1, 2, 50)],
    ids=lambda shape: "x".join(map(str, shape)),
)
@pytest.mark.parametrize("band", [1, 200_000, 24 << 20])  # one tile; some tiles; all
def test_it_is_the_convolution_for_any_size_and_band(shape, band, dtype, tile, monkeypatch):
    monkeypatch.setattr(winograd, "BAND_BYTES", band)
    images, height, width = shape
    conv, x = drawn(images, 72, 100, height, width, dtype)
    ours = WinogradConv2d(conv, dtype, tile)(x)
    assert (ours.shape, ours.dtype) == ((images, 100, height, width), dtype)
    torch.testing.assert_close(ours.double(), in_double(conv, x), atol=LARGEST[tile] * UNIT[dtype], rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "tile", "most"), [(*TILES[0], 45), (*TILES[1], 17), (*TILES[2], 2.7)])
def test_errors_of_rounding_are_small_on_average(dtype, tile, most):
    """Summing up makes 1.7 units in float32 and 0.54 in bfloat16 where these make 37, 14 and 2.2."""
    conv, x = drawn(1, 256, 256, 24, 24, dtype)
    error = WinogradConv2d(conv, dtype, tile)(x).double() - in_double(conv, x)
    assert error.abs().mean() < most * UNIT[dtype]


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "tile"), TILES)
def test_some_input_channels_alone_and_no_bias(dtype, tile):
    torch.manual_seed(0)
    first, rest = slice(None, 64), slice(64, None)
    conv = PartialConv2d((first, rest), 192, 128)
    x = torch.randn(2, 192, 9, 10).to(dtype)
    ours = WinogradConv2d(conv, dtype, tile)
    halves = ours(x[:, first], first, bias=False).double() + ours(x[:, rest], rest).double()
    torch.testing.assert_close(halves, in_double(conv, x), atol=LARGEST[tile] * UNIT[dtype], rtol=0)


@torch.inference_mode()
def test_the_other_way_to_multiply_gives_the_product():
    torch.manual_seed(0)
    x, factor = torch.randn(33, 64), torch.randn(64, 96)
    expected = (x.double() @ factor.double()).float()
    torch.testing.assert_close(products.by_onednn(factor)(x), expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("broken", ["absent", "wrong"])
def test_the_public_way_to_multiply_is_taken_where_the_other_does_not_work(broken, monkeypatch):
    def by_onednn(factor):
        return torch.ops.mkldnn._no_such_call(factor) if broken == "absent" else lambda x: x @ (factor + 1)

    monkeypatch.setattr(products, "by_onednn", by_onednn)
    monkeypatch.setitem(trials.chosen, products.SUBJECT, "oneDNN")
    products.onednn_is_right.cache_clear()
    try:
        assert not products.onednn_is_quicker()
    finally:
        products.onednn_is_right.cache_clear()


def test_only_wide_convolutions_of_stride_one_are_replaced():
    wide = {"in_channels": 64, "out_channels": 512, "kernel_size": 3, "padding": 1}
    assert is_suited(nn.Conv2d(**wide), torch.float32)
    assert not is_suited(nn.Conv2d(**wide), torch.bfloat16)
    for other in (
        {"kernel_size": 1, "padding": 0},
        {"in_channels": 32},
        {"out_channels": 48},
        {"stride": 2},
        {"padding": 0},
        {"dilation": 2},
        {"groups": 2},
        {"padding_mode": "reflect"},
    ):
        assert not is_suited(nn.Conv2d(**{**wide, **other}), torch.float32)


def test_tiles_are_large_where_the_grid_is_fine():
    assert tile_of("rgb_encoder.layer2.0.conv2", torch.float32) == FINE_TILE
    assert tile_of("rgb_encoder.layer3.0.conv2", torch.float32) == COARSE_TILE
    assert tile_of("decoder.up_8_4.out_conv.conv1", torch.bfloat16) == BFLOAT16_TILE


@pytest.mark.parametrize(
    ("amp", "quicker", "replaced"),
    [(False, "direct", True), (True, "Winograd", True), (True, "direct", False)],
)
def test_a_network_is_prepared_for_the_processor(amp, quicker, replaced, monkeypatch):
    monkeypatch.setitem(trials.chosen, "convolutions in bfloat16", quicker)
    with torch.device("meta"):  # layers alone, no numbers
        network = PropagationNetwork()
    dtype = torch.bfloat16 if amp else torch.float32
    wide = sum(is_suited(module, dtype) for module in network.modules() if isinstance(module, nn.Conv2d))
    assert wide > 20
    network = prepare_for_inference(network.to_empty(device=CPU), CPU, amp)
    modules = [type(module) for module in network.modules()]
    assert modules.count(WinogradConv2d) == (wide if replaced else 0)
    assert nn.BatchNorm2d not in modules
    assert network.dtype == dtype


@pytest.mark.slow
def test_loops_are_compiled_once_and_found_by_later_processes(tmp_path):
    """The first reads the modules from their sources, the second as the first has kept them."""
    folders = {"NUMBA_CACHE_DIR": str(tmp_path / "loops"), "PYTHONPYCACHEPREFIX": str(tmp_path / "modules")}
    environment = {**os.environ, **folders, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", COMPILED]
    how = {"cwd": ROOT, "env": environment, "check": True, "capture_output": True, "text": True}
    said = [subprocess.run(command, **how).stdout.split() for _ in range(2)]
    assert said == [[*"11110000"], [*"00001111"]]
