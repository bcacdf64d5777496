import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECK = """
import builtins, importlib, os, sys
imported = builtins.__import__
def watch(name, *rest):
    if name.split(".")[0] == "torch" and "torch" not in sys.modules:
        print(os.environ.get("GOMP_SPINCOUNT"))
    return imported(name, *rest)
builtins.__import__ = watch
importlib.import_module(sys.argv[1])
"""


def policies(module, **variables):
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-c", CHECK, module]
    return subprocess.run(
        command, cwd=ROOT, env={**environment, **variables}, capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize("module", ["train", "dataset.vos_dataset", "eval_davis", "scripts.propagate_video"])
def test_waiting_threads_sleep_before_pytorch_starts_any(module):
    first, *_ = policies(module)
    assert first == "20000"


def test_what_the_user_has_set_stays():
    assert policies("model", GOMP_SPINCOUNT="7")[0] == "7"
