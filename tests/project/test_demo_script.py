"""demo.sh as a stranger runs it, on a clip of a few frames."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, read_png, write_frames, write_labels

pytestmark = pytest.mark.slow

FRAMES = 6
LATE = 2


@pytest.fixture
def project(tmp_path, clip):
    """A copy of the project in a path with a space, set up, with a small clip in place of the demo's."""
    copy = tmp_path / "a project"
    for name in ("dataset", "model", "scripts", "util"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [*ROOT.glob("*.py"), ROOT / "requirements.txt"]:
        shutil.copy(path, copy)
    (copy / "saves").mkdir()
    python = copy / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    shutil.copy(ROOT / "requirements.txt", copy / ".venv/requirements.installed")

    small = copy / "output/demo/clip"
    labels = clip["labels"][1, :64, :96]
    write_frames(small / "trainval/JPEGImages/480p/tiny", clip["frames"][:FRAMES, :64, :96])
    for index in range(FRAMES):
        shown = labels if index >= LATE else np.where(labels == 2, 0, labels)
        write_labels(small / f"trainval/Annotations/480p/tiny/{index:05}.png", shown)
    write_labels(small / "first_masks/tiny/00000.png", np.where(labels == 2, 0, labels))
    write_labels(small / f"first_masks/tiny/{LATE:05}.png", np.where(labels == 1, 0, labels))
    (small / "trainval/ImageSets/2017").mkdir(parents=True)
    (small / "trainval/ImageSets/2017/val.txt").write_text("tiny\n")
    return copy


def run_demo(project: Path) -> list[str]:
    done = subprocess.run(
        ["bash", str(project / "scripts/demo.sh")],
        cwd="/",
        env={**os.environ, "HOME": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def check_results(project: Path, lines: list[str], name: str) -> None:
    out = project / "output/demo"
    assert lines[-3:] == [
        f"masks    {out}/masks/tiny",
        f"picture  {out}/tiny.jpg",
        f"video    {out}/tiny.mp4",
    ]
    assert f"with {name}," in lines[-5]
    assert "masks that do not move" in lines[-4]
    assert all(0 <= float(line.split()[1]) <= 100 for line in lines[-5:-3])
    assert set(np.unique(read_png(out / f"masks/tiny/{LATE:05}.png"))) == {0, 1, 2}
    assert len(list((out / "masks/tiny").iterdir())) == FRAMES
    assert Image.open(out / "tiny.jpg").width == 4 * 480
    assert (out / "tiny.mp4").stat().st_size > 0


def test_with_weights_it_runs_again_and_again(project, weights_file):
    (project / "saves/propagation_model.pth").symlink_to(weights_file)
    for _ in range(2):
        check_results(project, run_demo(project), "the weights in saves/propagation_model.pth")


def test_without_weights_it_fits_a_network_once(project, weights_file):
    (project / "download_model.py").write_text("raise SystemExit('not to be had')")
    (project / "scripts/fit_first_frame.py").write_text(
        "import shutil, sys\n"
        "flags = {name: value for name, value in zip(sys.argv, sys.argv[1:]) if name.startswith('--')}\n"
        "assert flags['--frames'].endswith('JPEGImages/480p/tiny'), flags\n"
        "assert flags['--masks'].endswith('first_masks/tiny'), flags\n"
        f"shutil.copy({str(weights_file)!r}, flags['--output'])\n"
        "print('fitted')\n"
    )
    lines = run_demo(project)
    assert "fitted" in lines
    assert not json.loads((project / "output/demo/masks/.settings.json").read_text())["remember_previous"]
    check_results(project, lines, "a one-shot fit (a network trained on the first masks of this clip alone)")
    assert "fitted" not in run_demo(project)
