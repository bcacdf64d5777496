"""Blocks with fused cuDNN calls; test_gpu compares their results with golden numbers."""

import copy

import pytest
import torch
from torch import nn

from model.fast_inference import fused_blocks
from model.fast_inference.fused_blocks import FusedBottleneck, FusedResBlock, fuse_blocks, fuses
from model.fast_inference.preparation import fold_batch_norm
from model.modules import ResBlock
from model.resnet import Bottleneck

CPU = torch.device("cpu")
BLOCKS = {
    "bottleneck": lambda: Bottleneck(64, 16, 1, bias=True),
    "with a convolution in the shortcut": lambda: Bottleneck(32, 16, 2, bias=False),
    "pre-activation": lambda: ResBlock(16, 16),
    "pre-activation with a convolution in the shortcut": lambda: ResBlock(16, 32),
}


@pytest.fixture
def by_formula(monkeypatch):
    """Compute by plain operations what cuDNN does."""
    monkeypatch.setattr(fused_blocks, "rectified", lambda conv, x: nn.Conv2d.forward(conv, x).relu())
    monkeypatch.setattr(fused_blocks, "rectified_sum", lambda conv, x, shortcut: (conv(x) + shortcut).relu())


@torch.inference_mode()
@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)
def test_fused_blocks_give_the_same_result(make, by_formula):
    torch.manual_seed(0)
    plain = nn.Sequential(make()).eval()
    fold_batch_norm(plain)
    fused = copy.deepcopy(plain)
    fuse_blocks(fused)
    assert type(fused[0]) in (FusedBottleneck, FusedResBlock)
    x = torch.randn(2, next(plain[0].children()).in_channels, 7, 12)
    torch.testing.assert_close(fused(x.clone()), plain(x))


def test_blocks_are_fused_only_where_the_cudnn_call_gives_the_right_result(by_formula, monkeypatch):
    assert fuses(CPU, torch.float32)
    monkeypatch.setattr(fused_blocks, "rectified", lambda conv, x: conv(x))
    monkeypatch.setattr(fused_blocks, "rectified_sum", lambda conv, x, shortcut: conv(x) + shortcut)
    assert not fuses(CPU, torch.float32)  # no ReLU
