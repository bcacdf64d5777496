"""Runs one of the project's programs and ends it when the process that started it is gone.

python -m scripts.annotator.attached MODULE [ARGUMENTS]
"""

import runpy
import signal
import sys

from util.worker_processes import end_with_parent

if __name__ == "__main__":
    end_with_parent(signal.SIGTERM)  # which lets it clean up
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
