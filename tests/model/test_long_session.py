"""A long video in bounded memory."""

from collections.abc import Sequence
from hashlib import sha256
from itertools import islice

import pytest
import torch

from model import InteractiveCore
from tests.model.test_soak import resident

FRAMES = 1000
HEIGHT, WIDTH = 240, 432
COMPARED = 60  # frames of the session without a budget
MEMORY_FRAMES = 8
PIXELS, OBJECTS = HEIGHT * WIDTH, 3
BUDGET = 64 << 20  # bytes of stored arrays, and as many of encoded frames
BANK = (MEMORY_FRAMES + 1) * 10 * OBJECTS * PIXELS
WORKING = 400e6  # bytes: what one frame needs while it goes through the network


class MovingTexture(Sequence):
    """Frames `3 x H x W` of a picture that moves, made when they are asked for."""

    def __init__(self) -> None:
        noise = torch.randn(1, 3, HEIGHT // 8, WIDTH // 4, generator=torch.Generator().manual_seed(0))
        self.canvas = torch.nn.functional.interpolate(noise, scale_factor=8, mode="bicubic")[0]

    def __len__(self) -> int:
        return FRAMES

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.canvas.roll(2 * index, dims=2)[:, :, :WIDTH].contiguous()


def digest(core: InteractiveCore, index: int) -> str:
    """Return what stands for the probabilities of a frame: kept themselves, they would count as resident."""
    return sha256(core.prob(index).contiguous().numpy()).hexdigest()


@pytest.mark.slow
def test_a_thousand_frames_stay_within_their_budget(loaded):
    """A round of 1,000 frames at 432 x 240 with three objects, and the beginning of a second one."""
    frames = MovingTexture()
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8)
    for label in range(1, OBJECTS + 1):
        mask[80:160, 110 * label : 110 * label + 60] = label
    options = {"max_memory_frames": MEMORY_FRAMES}
    before, most = resident(), 0  # first of all: what an unlimited session leaves behind would be used again
    core = InteractiveCore(loaded, frames, store_bytes=BUDGET, query_bytes=BUDGET, **options)
    core.give(0, mask)
    for _ in core.propagate():
        most = max(most, resident() - before)
    stored = FRAMES * 2 * (OBJECTS + 1) * PIXELS
    print(f"{FRAMES} frames, {stored / 1e6:.0f} MB stored; at most {most / 1e6:.0f} MB more resident")
    found = [digest(core, index) for index in range(COMPARED)]
    assert core.store.held_bytes <= BUDGET
    assert most < 2 * BUDGET + BANK + WORKING
    core.give(FRAMES // 2, mask.roll(FRAMES, dims=1))
    for _ in islice(core.propagate(), COMPARED):
        most = max(most, resident() - before)
    print(f"with the beginning of a second round: {most / 1e6:.0f} MB")
    assert most < 2 * BUDGET + BANK + WORKING

    unlimited = InteractiveCore(loaded, frames, **options)
    unlimited.give(0, mask)
    list(unlimited.propagate(last=COMPARED))
    assert [digest(unlimited, index) for index in range(COMPARED)] == found
