import os
import random
import subprocess
import sys
import time

import pytest
import torch

from tests.conftest import ROOT


def start(weights, folder, output):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.interactive_session", weights, folder, output],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
    )


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_a_session_killed_at_random_moments_ends_as_if_nothing_had_happened(kills, weights_file, tmp_path):
    (tmp_path / "whole").mkdir()
    began = time.perf_counter()
    process = start(weights_file, tmp_path / "whole", tmp_path / "whole.pt")
    frames = len(process.stdout.readlines())
    assert process.wait() == 0
    one_frame = (time.perf_counter() - began) / frames
    expected = torch.load(tmp_path / "whole.pt")

    moments, folder, killed = random.Random(kills), tmp_path / "killed", 0
    folder.mkdir()
    for attempt in range(kills):
        output = tmp_path / f"{attempt}.pt"
        process = start(weights_file, folder, output)
        for _ in range(moments.randrange(5)):
            process.stdout.readline()
        time.sleep(moments.uniform(0, one_frame))
        process.kill()
        process.wait()
        killed += not output.is_file()
        if output.is_file():  # it was at its end: from the start again
            assert all(torch.equal(*pair) for pair in zip(torch.load(output), expected, strict=True))
            for path in folder.iterdir():
                path.unlink()
    assert killed > kills / 2
    assert start(weights_file, folder, tmp_path / "end.pt").wait() == 0
    assert all(torch.equal(*pair) for pair in zip(torch.load(tmp_path / "end.pt"), expected, strict=True))
