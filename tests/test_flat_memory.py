"""Peak memory of whole runs, seen from outside the process."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT, write_frames, write_labels

SIZE = (240, 427)
CELLS = 15 * 27  # of the stride-16 grid of 432 x 240
FRAME_BYTES = CELLS * (128 + 512) * 4  # key and value of one remembered frame


def peak_memory(command):
    """Run a command; return its peak resident memory in bytes."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return usage.ru_maxrss * 1024


@pytest.mark.slow
def test_a_long_video_needs_no_more_than_its_memory_bank(tmp_path, weights_file):
    peaks = {}
    for count in (100, 400):
        root = tmp_path / str(count)
        random = np.random.default_rng(0)
        canvas = random.integers(0, 256, (30, 60, 3), np.uint8).repeat(16, axis=0).repeat(16, axis=1)
        frames = (np.roll(canvas, 2 * i, axis=1)[: SIZE[0], : SIZE[1]] for i in range(count))
        write_frames(root / "JPEGImages/480p/clip", frames)
        labels = np.zeros(SIZE)
        labels[80:160, 150:260] = 1
        write_labels(root / "Annotations/480p/clip/00000.png", labels)
        command = [sys.executable, "eval_davis_2016.py", "--davis", root, "--output", root / "out"]
        peaks[count] = peak_memory([*map(str, command), "--model", str(weights_file), "--device", "cpu"])
    bank = FRAME_BYTES * (400 // 5 + 1)
    megabytes = {name: round(number / 1e6) for name, number in {**peaks, "bank": bank}.items()}
    print(f"peak of 100 and of 400 frames, and the memory bank's bytes, in MB: {megabytes}")
    assert peaks[400] <= 1.3 * peaks[100] + bank
