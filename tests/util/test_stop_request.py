import subprocess
import sys

import pytest

from tests.conftest import ROOT
from util.stop_request import StopRequest

LOSING = """
import signal, sys, time
from util.errors import run_script

class Object:
    def __del__(self):
        signal.raise_signal({number})

def main():
    try:
        thing = Object()
        del thing
        time.sleep(60)
    finally:
        print("cleaned up")

run_script(main)
"""


@pytest.mark.parametrize("number", StopRequest.SIGNALS)
def test_a_signal_that_comes_where_python_loses_exceptions_still_counts(number):
    command = [sys.executable, "-c", LOSING.format(number=int(number))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "cleaned up\n", "")
