"""Peak memory and speed of whole runs, seen from outside the process."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT, write_frames, write_labels

pytestmark = pytest.mark.slow

SIZE = (240, 427)
CELLS = 15 * 27  # of the stride-16 grid of 432 x 240
OBJECTS = 2
FRAME_BYTES = OBJECTS * CELLS * (128 + 512) * 4  # keys and values of one remembered frame


@pytest.fixture
def run(tmp_path, weights_file):
    """Propagate two objects through a clip; return the peak memory in bytes and the seconds a frame."""

    def propagate(count, *flags):
        root = tmp_path / str(count)
        random = np.random.default_rng(0)
        canvas = random.integers(0, 256, (30, 60, 3), np.uint8).repeat(16, axis=0).repeat(16, axis=1)
        frames = (np.roll(canvas, 2 * i, axis=1)[: SIZE[0], : SIZE[1]] for i in range(count))
        write_frames(root / "trainval/JPEGImages/480p/clip", frames)
        labels = np.zeros(SIZE)
        labels[80:160, 150:260], labels[40:90, 300:380] = 1, 2
        write_labels(root / "trainval/Annotations/480p/clip/00000.png", labels)
        (root / "trainval/ImageSets/2017").mkdir(parents=True)
        (root / "trainval/ImageSets/2017/val.txt").write_text("clip\n")

        command = [
            sys.executable,
            "eval_davis.py",
            "--davis",
            root,
            "--output",
            root / "out",
            "--device",
            "cpu",
        ]
        command = [*map(str, (*command, "--model", weights_file, *flags))]
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            printed = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, printed
        return usage.ru_maxrss * 1024, float(re.search(r"processing time: (\S+)", printed)[1]) / count

    return propagate


def test_a_long_video_needs_no_more_than_its_memory_bank(run):
    few, many = run(100)[0], run(1000)[0]
    bank = FRAME_BYTES * (1000 // 5 + 1)
    print(f"peak of 100 frames {few / 1e6:.0f} MB, of 1,000 {many / 1e6:.0f} MB; bank {bank / 1e6:.0f} MB")
    assert many <= few + 1.5 * bank


def test_a_bounded_memory_is_flat_and_as_quick_late_as_early(run):
    few, many = (run(count, "--max_memory_frames", 20) for count in (300, 1000))
    print(
        f"peak of 300 frames {few[0] / 1e6:.0f} MB, of 1,000 {many[0] / 1e6:.0f} MB; "
        f"seconds a frame {few[1]:.3f} and {many[1]:.3f}"
    )
    assert many[0] <= 1.05 * few[0]
    assert many[1] <= 1.25 * few[1]  # a memory that grew would make it twice as slow
