import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

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


@pytest.mark.slow
@pytest.mark.parametrize("module", ["train", "dataset.vos_dataset", "eval_davis", "scripts.propagate_video"])
def test_waiting_threads_sleep_before_pytorch_starts_any(module):
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-c", CHECK, module]
    printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.split()[0] == "20000"
