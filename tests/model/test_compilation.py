"""Compiled loops and the files in which they are kept, with real processes that compile at the same time."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import prange, types

from model.fast_inference.compilation import compiled
from tests.conftest import ROOT

ADDER = """
import os, sys, time
import numpy as np
from numba import prange, types
from model.fast_inference.compilation import compiled, inlined

def adder(summand):
    @inlined
    def plus(number):
        return number + summand

    def add(x):
        for i in prange(len(x)):
            x[i] = plus(x[i])

    return compiled(add, types.float64[::1])

def sums(*summands):
    for summand in summands:
        x = np.zeros(3)
        loop = adder(summand)
        loop(x)
        print(x[0])
    return loop
"""
# Both processes see no index, if they are let. Then the first keeps its own, which the second's replaces, and
# the second its loop, which the first's replaces: the index names a file for one loop in which is the other.
HELD_UP = """
import sys, time
from adder import *

replace, (summand, turn) = os.replace, sys.argv[1:]

def is_its_turn(kind, names):
    if (kind, turn) == (".nbi", "first"):
        return sum(".nbi.tmp" in name for name in names) == 2
    return (kind, turn) == (".nbc", "second") or any(name.endswith(kind) for name in names)

def in_turn(source, target):
    until = time.monotonic() + 1
    while not is_its_turn(target[-4:], os.listdir(os.path.dirname(target))) and time.monotonic() < until:
        time.sleep(0.01)
    replace(source, target)

os.replace = in_turn
sums(int(summand))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "adder.py").write_text(ADDER)
    (tmp_path / "held_up.py").write_text(HELD_UP)
    return tmp_path


def started(folder, *command):
    path = os.pathsep.join([str(folder), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": ""}
    how = {"cwd": folder, "env": environment, "text": True}
    return subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how
    )


def said(process):
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return [float(number) for number in output.split()], errors


def sums(folder, *summands):
    return said(started(folder, "-c", f"from adder import sums; sums{summands}"))


@pytest.mark.slow
def test_processes_that_compile_at_once_do_not_get_each_others_loops(folder):
    one = started(folder, "held_up.py", 1, "first")
    other = started(folder, "held_up.py", 2, "second")
    assert (said(one)[0], said(other)[0]) == ([1], [2])
    assert sums(folder, 1, 2)[0] == [1, 2]


def test_other_arguments_than_agreed_are_refused():
    def negate(x):
        for i in prange(len(x)):
            x[i] = -x[i]

    loop = compiled(negate, types.float32[::1])
    x = np.ones(4, np.float32)
    loop(x)
    assert x.tolist() == [-1] * 4
    with pytest.raises(TypeError):
        loop(np.ones(4))
