"""What freed memory costs, by the pages that the system has to clear anew."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

LOOP = """
import argparse, resource, sys
import torch
from util.device import set_up_device

keep_freed = sys.argv[1] == "kept"
set_up_device(argparse.Namespace(device="cpu", no_tf32=False), keep_freed)

def faults(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        tensors = [torch.ones(5 << 20) for _ in range(5)]  # 20 MiB each, as those of a frame
        del tensors
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / rounds

faults(5)
print(faults(5))
"""
PAGES = 5 * (20 << 20) // os.sysconf("SC_PAGE_SIZE")


def faults(*arguments, **variables):
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", LOOP, *arguments]
    how = {"cwd": ROOT, "env": environment, "check": True, "capture_output": True, "text": True}
    return float(subprocess.run(command, **how).stdout)


def test_pages_are_cleared_once():
    assert faults("kept") < PAGES / 100  # given back they are, by chance, none to all


def test_what_the_user_has_set_stays():
    usual = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}  # each such tensor gets pages of its own
    if faults("given back", **usual) < PAGES / 2:
        pytest.skip("this system clears no pages anew, or in larger ones")
    assert faults("kept", **usual) > PAGES / 2
