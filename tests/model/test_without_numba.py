"""Without Numba, networks give the same results, with one warning that they are slower."""

import subprocess
import sys

import pytest
import torch

from model import InferenceCore
from tests.conftest import ROOT

CODE = """
import sys
sys.modules["numba"] = None  # importing it fails
import torch
from model import InferenceCore, load_network
from model.fast_inference.preparation import quicken_training
from util.errors import run_script

def main():
    weights, given, result = sys.argv[1:]
    frames, mask = torch.load(given)
    engine = InferenceCore(load_network(weights))
    torch.save([engine.step(frame, None if i else mask) for i, frame in enumerate(frames)], result)
    plain = load_network(weights, amp=True)
    quicken_training(plain, torch.device("cpu"))

run_script(main)
"""


@pytest.mark.slow
def test_all_works_without_numba(loaded, weights_file, clip_frames, clip_labels, tmp_path):
    frames, mask = clip_frames[:3], clip_labels[1]
    torch.save((frames, mask), tmp_path / "given.pt")
    command = [sys.executable, "-c", CODE, weights_file, tmp_path / "given.pt", tmp_path / "result.pt"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("Numba cannot be used") == 1
    engine = InferenceCore(loaded)
    for index, prob in enumerate(torch.load(tmp_path / "result.pt")):
        expected = engine.step(frames[index], None if index else mask)
        torch.testing.assert_close(prob, expected, atol=1e-3, rtol=0)
