"""setup.sh with a stand-in for Python that claims a version."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PYTHON = """#!/bin/sh
case "$1" in
-c) exec {python} -c "import sys; sys.version_info = (3, {minor}); $2" ;;
-m) mkdir -p .venv/bin && cp /bin/true .venv/bin/python ;;
esac
"""


@pytest.mark.parametrize(
    ("minor", "said"), [(9, "error: Python 3.10 or later"), (14, ""), (15, "warning: Python 3.14")]
)
def test_setup_needs_a_known_python(minor, said, tmp_path):
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/setup.sh", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("python3", *(f"python3.{i}" for i in range(10, 15))):
        path = tmp_path / name
        path.write_text(PYTHON.format(python=sys.executable, minor=minor))
        path.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", tmp_path / "scripts/setup.sh"], env={"PATH": path}, capture_output=True, text=True
    )
    assert (done.returncode == 0) == (minor > 9)
    assert done.stderr.startswith(said) and bool(done.stderr) == bool(said)
    assert (tmp_path / ".venv/requirements.installed").exists() == (minor > 9)
