import copy

import pytest
import torch
from torch import nn

from model.fast_inference import fused_blocks
from model.fast_inference.fused_blocks import FusedBottleneck, FusedResBlock, ReLUConv2d, fuse_blocks, fuses
from model.fast_inference.preparation import fold_batch_norm, prepare_for_inference
from model.fast_inference.winograd import COARSE_TILE, FINE_TILE, WinogradConv2d, use_winograd
from model.modules import MaskRGBEncoder, ResBlock
from model.resnet import Bottleneck

CPU = torch.device("cpu")
BLOCKS = {
    "bottleneck": lambda: Bottleneck(256, 64, 1, bias=True),
    "with a shortcut of its own": lambda: Bottleneck(128, 64, 2, bias=False),
    "pre-activation": lambda: ResBlock(64, 64),
    "pre-activation with a shortcut of its own": lambda: ResBlock(64, 128),
}


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
@pytest.mark.parametrize("winograd", [False, True])
@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("size", [(1, 7, 12), (2, 16, 5), (1, 1, 1)])
def test_fused_blocks_compute_the_same(make, winograd, dtype, tolerance, size):
    torch.manual_seed(0)
    plain = nn.Sequential(make()).eval()
    fold_batch_norm(plain)
    fused = copy.deepcopy(plain)
    if winograd:
        use_winograd(fused, dtype)
    fused.to(dtype).to(memory_format=torch.channels_last)
    fuse_blocks(fused)
    assert type(fused[0]) in (FusedBottleneck, FusedResBlock)
    conv = next(plain[0].children())
    batch, height, width = size
    x = torch.randn(batch, conv.in_channels, height, width).contiguous(memory_format=torch.channels_last)
    given = x.to(dtype)
    torch.testing.assert_close(fused(given).float(), plain(x), atol=tolerance, rtol=tolerance)
    assert torch.equal(given, x.to(dtype))  # what comes in stays


@torch.inference_mode()
@pytest.mark.parametrize("tile", [FINE_TILE, COARSE_TILE])
@pytest.mark.parametrize("outputs", [64, 100])  # all blocks whole, and not
def test_winograds_way_adds_and_rectifies(tile, outputs):
    torch.manual_seed(0)
    conv = nn.Conv2d(64, outputs, 3, padding=1)
    x, added = torch.randn(2, 64, 9, 11), torch.randn(2, outputs, 9, 11)
    ours = WinogradConv2d(conv, torch.float32, tile)
    torch.testing.assert_close(ours(x, added=added), conv(x) + added, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours(x, relu=True), conv(x).relu(), atol=1e-4, rtol=1e-4)
    both = ours(x, added=added, relu=True)
    torch.testing.assert_close(both, (conv(x) + added).relu(), atol=1e-4, rtol=1e-4)
    assert both.min() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_this_processor_has_it(dtype):
    assert fuses(CPU, dtype)


@pytest.mark.parametrize("broken", ["absent", "wrong"])
def test_where_the_library_does_not_do_it_blocks_stay_as_they_are(broken, monkeypatch):
    def rectified(conv, x):
        if broken == "absent":
            return torch.ops.mkldnn._no_such_call(x)
        return conv(x)

    monkeypatch.setattr(fused_blocks, "rectified", rectified)
    assert not fuses(CPU, torch.float32)
    encoder = prepare_for_inference(MaskRGBEncoder(single_object=False), CPU)
    assert type(encoder.layer1[0]) is Bottleneck and type(encoder.conv1) is nn.Conv2d


def test_encoders_rectify_what_comes_first():
    encoder = prepare_for_inference(MaskRGBEncoder(single_object=False), CPU)
    assert type(encoder.conv1) is ReLUConv2d
