import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model import PropagationNetwork
from model.fast_inference import products, trials, winograd
from model.fast_inference.preparation import prepare_for_inference
from model.fast_inference.winograd import BFLOAT16_TILE, COARSE_TILE, FINE_TILE, WinogradConv2d, is_suited

CPU = torch.device("cpu")
TILES = [(torch.float32, FINE_TILE), (torch.float32, COARSE_TILE), (torch.bfloat16, BFLOAT16_TILE)]
UNIT = {torch.float32: 2**-24, torch.bfloat16: 2**-9}  # greatest relative error of rounding
LARGEST = {FINE_TILE: 1000, COARSE_TILE: 250, BFLOAT16_TILE: 30}  # errors in units, of results of order 1


def drawn(images, channels, outputs, height, width, dtype=torch.float32):
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, outputs, 3, padding=1)
    return conv, torch.randn(images, channels, height, width).to(dtype)


def in_double(conv, x, channels=slice(None)):
    return F.conv2d(x.double(), conv.weight.double()[:, channels], conv.bias.double(), padding=1)


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "tile"), TILES)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 5, 3), (3, 16, 27)], ids=lambda shape: "x".join(map(str, shape))
)
@pytest.mark.parametrize("band", [200_000, 24 << 20])  # some tiles; all
def test_winograd_equals_the_convolution_for_any_size_and_band(shape, band, dtype, tile, monkeypatch):
    monkeypatch.setattr(winograd, "BAND_BYTES", band)
    images, height, width = shape
    conv, x = drawn(images, 72, 100, height, width, dtype)
    ours = WinogradConv2d(conv, dtype, tile)(x)
    assert (ours.shape, ours.dtype) == ((images, 100, height, width), dtype)
    torch.testing.assert_close(ours.double(), in_double(conv, x), atol=LARGEST[tile] * UNIT[dtype], rtol=0)


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
    assert nn.BatchNorm2d not in modules and not network.training
    assert network.dtype == dtype


@torch.inference_mode()
def test_onednn_gives_the_product():
    torch.manual_seed(0)
    x, factor = torch.randn(33, 64), torch.randn(64, 96)
    expected = (x.double() @ factor.double()).float()
    torch.testing.assert_close(products.onednn_product(factor)(x), expected, atol=1e-4, rtol=1e-5)
