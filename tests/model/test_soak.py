"""A long stream: objects come, are corrected and go, and nothing grows."""

import os
import random
from pathlib import Path

import pytest
import torch

from model import InferenceCore
from tests.training.training_trees import disc

FRAMES, SIZE = 3000, 32
CELLS = (SIZE // 16) ** 2
OBJECTS = range(1, 6)
MEMORY_FRAMES = 8
OBJECT_BYTES = (MEMORY_FRAMES + 1) * CELLS * (128 + 512) * 4
SETTLED = 500  # frames after which the process has all the memory it needs
SLACK = 20e6  # bytes: what an allocator's pools vary by


def resident() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_a_stream_with_objects_added_corrected_and_removed_needs_no_more_with_time(network):
    chance, noise = random.Random(0), torch.Generator().manual_seed(0)
    canvas = torch.randn(3, SIZE, 4 * SIZE, generator=noise)
    engine = InferenceCore(network, top_k=20, max_memory_frames=MEMORY_FRAMES)
    given = {"new": 0, "corrected": 0, "removed": 0}
    held, most = [], 0
    for time in range(FRAMES):
        frame = canvas.roll(time, dims=2)[:, :, :SIZE] + 0.1 * torch.randn(3, SIZE, SIZE, generator=noise)
        mask, labels = None, None
        if engine.labels and chance.random() < 0.04:
            engine.remove(chance.choice(engine.labels))
            given["removed"] += 1
        if time == 0 or chance.random() < 0.08:
            label = chance.choice(OBJECTS)
            given["corrected" if label in engine.labels else "new"] += 1
            x, y, radius = chance.uniform(4, 28), chance.uniform(4, 28), chance.uniform(2, 8)
            mask = torch.from_numpy(disc(SIZE, SIZE, x, y, radius))[None]
            labels = [label]  # the disc can be empty: also an object that is not there is given

        prob = engine.step(frame, mask, labels)
        assert prob.shape == (len(engine.labels) + 1, SIZE, SIZE)
        assert prob.isfinite().all()
        torch.testing.assert_close(prob.sum(dim=0), torch.ones(SIZE, SIZE))
        assert set(engine.label_map(prob).unique().tolist()) <= {0, *engine.labels}
        assert set(engine.labels) <= set(OBJECTS)
        assert len(engine.bank.objects) == len(engine.labels)
        assert engine.bank.nbytes <= len(engine.labels) * OBJECT_BYTES
        most = max(most, len(engine.labels))
        if time >= SETTLED and time % 100 == 0:
            held.append(resident())
    megabytes = [round(number / 1e6) for number in held]
    print(f"{given}, at most {most} objects; resident MB every 100 frames from {SETTLED} on: {megabytes}")
    assert min(given.values()) > 50
    assert most == len(OBJECTS)
    assert max(held) - held[0] < SLACK
