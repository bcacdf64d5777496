"""Chooses the precision of a run; on a CPU by a short trial.

A processor can have instructions for bfloat16 that are slow, so their presence does not decide.
"""

import logging
import time
from functools import cache

import torch
from torch import nn

from model.fast_inference.preparation import prepare_for_inference
from model.modules import ResBlock
from model.resnet import Bottleneck

log = logging.getLogger(__name__)

SIZE = (480, 854)  # frame size for the trial when the frames are not known
LEAST_GAIN = 1.05  # speed-up that bfloat16 needs to be chosen, so that chance does not decide
RUNS = 5  # runs of each precision; the fastest one counts


def is_reduced(precision: str, device: torch.device, size: tuple[int, int] = SIZE) -> bool:
    """Return whether to compute in reduced precision.

    Args:
        precision: one of `util.device.PRECISIONS`. "auto" chooses the quicker one on a CPU by a trial of
            about a second, and float32 on a GPU.
        device: device to compute on.
        size: (height, width) of the frames.
    """
    if precision != "auto" or device.type != "cpu":
        return precision == "reduced"
    return bfloat16_is_quicker(max(16, size[0]), max(16, size[1]))


@cache
@torch.inference_mode()
def bfloat16_is_quicker(height: int, width: int) -> bool:
    """Return whether blocks of an encoder and of the decoder take less time in bfloat16 than in float32."""
    with torch.random.fork_rng(devices=[]):  # random numbers of a run must not depend on the trial
        features = torch.randn(1, 256, height // 4, width // 4).to(memory_format=torch.channels_last)
        networks = [
            prepare_for_inference(
                nn.Sequential(Bottleneck(256, 64, 1, bias=False), ResBlock(256, 256)), features.device, amp
            )
            for amp in (False, True)
        ]
    inputs = features, features.bfloat16()
    least = [float("inf")] * 2
    for _ in range(RUNS):
        for number, (network, x) in enumerate(zip(networks, inputs, strict=True)):
            start = time.perf_counter()
            network(x)
            least[number] = min(least[number], time.perf_counter() - start)
    in_float32, in_bfloat16 = least
    is_quicker = in_float32 > LEAST_GAIN * in_bfloat16
    log.info(
        "frames of %d x %d are computed in %s, by a trial (float32 %.3g ms, bfloat16 %.3g ms).",
        *(width, height, "bfloat16" if is_quicker else "float32", 1e3 * in_float32, 1e3 * in_bfloat16),
    )
    return is_quicker
