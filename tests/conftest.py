"""Fixtures and helpers of all tests.

PyTorch is imported where a test needs it: the process that hands tests out (pytest-xdist) starts without it.
"""

import os

# One thread, here and in the processes that tests start; set before torch is imported. Tensors are small, and
# on a busy machine more threads wait for each other. Training tests compare processes to the last bit, which
# needs the same number of threads.
os.environ["OMP_NUM_THREADS"] = "1"

import importlib
import json
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests import forked_runs
from util.errors import InputError
from util.palette import voc_palette

# What a shell starts in the background ignores Ctrl-C, and so would the processes that tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
SHARED_DATA = ROOT.parent / "shared" / "data"

needs_shared_data = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="real benchmark data is looked for in ../shared/data and is not there"
)
needs_gpu = pytest.mark.gpu


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("PyTorch finds no GPU")


def on_gpu(*values):
    """A case of a parametrized test that needs a GPU."""
    return pytest.param(*values, marks=needs_gpu)


def slow(*values):
    """A slow case of a parametrized test."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable():
    """Replace bytes that are no text in a report: pytest-xdist sends only valid UTF-8, else it ends."""
    return json.loads(json.dumps((yield), ensure_ascii=False).encode(errors="replace").decode())


@pytest.fixture(autouse=True, scope="session")
def default_choices():
    """Let speed trials choose the default: on a busy machine their outcome differs."""
    from model.fast_inference import trials

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            trials, "compare", lambda usual, other, _: trials.Trial((usual[0], 0), (other[0], 0), usual[0])
        )
        yield


@pytest.fixture(scope="session")
def network():
    """The two-object network with the golden weights."""
    import torch

    from model import PropagationNetwork
    from tests.golden_weights import with_golden_weights

    return with_golden_weights(PropagationNetwork).to(memory_format=torch.channels_last).eval()


@pytest.fixture(scope="session")
def weights_file(network, tmp_path_factory):
    """The golden weights as a plain state dict on disk, as published checkpoints are."""
    from tests.golden_weights import save_state

    return save_state(network, tmp_path_factory.mktemp("weights") / "weights.pth")


@pytest.fixture
def preloaded(network, weights_file, monkeypatch):
    """Let scripts use the golden network without loading it; return the flags that name it."""
    for module in ("scripts.evaluation.loop", "scripts.propagate_video"):
        monkeypatch.setattr(f"{module}.load_network", lambda *_: network)
    return ["--model", weights_file, "--device", "cpu"]


@pytest.fixture(scope="session")
def load(weights_file):
    """Return a function that loads the golden weights for a device and precision, once for all tests."""
    from model import load_network

    return cache(lambda device="cpu", amp=False: load_network(weights_file, device, amp))


@pytest.fixture(scope="session")
def loaded(load):
    """The golden weights as evaluation loads them: batch norm folded, wide convolutions by Winograd's way."""
    return load()


@pytest.fixture(scope="session")
def s2m_file(tmp_path_factory):
    from tests.golden_weights import s2m_network, save_state

    return save_state(s2m_network(), tmp_path_factory.mktemp("s2m") / "s2m.pth")


@pytest.fixture(scope="session")
def fusion_file(tmp_path_factory):
    from tests.golden_weights import fusion_network, save_state

    return save_state(fusion_network(), tmp_path_factory.mktemp("fusion") / "fusion.pth")


@pytest.fixture(scope="session")
def clip():
    """The golden clip: uint8 frames 12 x 88 x 136 x 3 and label maps 3 x 88 x 136."""
    return np.load(GOLDEN / "clip.npz")


@pytest.fixture(scope="session")
def clip_frames(clip):
    from dataset.image_io import normalise

    return [normalise(frame) for frame in clip["frames"]]


@pytest.fixture(scope="session")
def clip_labels(clip):
    """Label maps with one, two and three objects."""
    import torch

    return [torch.from_numpy(labels) for labels in clip["labels"]]


@pytest.fixture(scope="session")
def small_frames(clip_frames):
    """A part of the golden clip that shows all objects, 32 x 48: quick."""
    return [frame[:, 36:68, 44:92] for frame in clip_frames]


@pytest.fixture(scope="session")
def small_labels(clip_labels):
    return [labels[36:68, 44:92] for labels in clip_labels]


def write_frames(folder: Path, frames) -> None:
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{index:05}.jpg", quality=95)


def write_video(path: Path, frames, codec: str) -> None:
    """Write a video file of 12.5 frames per second."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 12.5, (width, height))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()


def write_labels(path: Path, labels, paletted: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(labels, np.uint8))
    if paletted:
        image.putpalette(voc_palette())
    image.save(path)


def write_davis(root: Path, name: str, frames, truth, listing: str = "2017/val") -> None:
    """Write a video in the layout of DAVIS: frames, label maps (by index, or of all frames), its name."""
    write_frames(root / "JPEGImages/480p" / name, frames)
    for index, labels in truth.items() if isinstance(truth, dict) else enumerate(truth):
        write_labels(root / f"Annotations/480p/{name}/{index:05}.png", labels)
    names = root / f"ImageSets/{listing}.txt"
    names.parent.mkdir(parents=True, exist_ok=True)
    with names.open("a") as file:
        file.write(f"{name}\n")


def contents(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    """The files below a folder, by path from there."""
    paths = (path for path in folder.rglob(pattern) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def run_script(*arguments: object, check: bool = True, **environment: str) -> subprocess.CompletedProcess:
    """Run one of the project's scripts as a user would, from the project's root.

    The process is forked from one that has loaded PyTorch; a launcher's is new from the ground up.
    """
    module, *flags = arguments[1:] if arguments[0] == "-m" else (Path(str(arguments[0])).stem, *arguments[1:])
    if str(module).startswith("torch."):
        command = [sys.executable, *map(str, arguments)]
        env = {**os.environ, **environment}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    else:
        done = forked_runs.run(ROOT, str(module), *flags, **environment)
    assert not check or done.returncode == 0, done.stderr
    return done


def run_main(monkeypatch, module: str, *arguments: object) -> None:
    """Run a script's `main` in this process, which is quicker than a process of its own."""
    monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
    importlib.import_module(module).main()


@pytest.fixture
def propagate(tmp_path, weights_file, monkeypatch):
    """Return a function that runs propagate_video in this process; keywords change the default paths."""
    paths = {"input": tmp_path / "frames", "masks": tmp_path / "m.png", "output": tmp_path / "out"}

    def run(*flags, **changed):
        given = [part for name, path in {**paths, **changed}.items() for part in (f"--{name}", path)]
        model = ["--model", weights_file, "--device", "cpu"]
        run_main(monkeypatch, "scripts.propagate_video", *given, *model, *flags)

    return run


def refused(run, *arguments, **changed) -> str:
    """Return the one sentence with which a call is refused as bad input."""
    with pytest.raises(InputError) as error:
        run(*arguments, **changed)
    assert "\n" not in str(error.value)
    return str(error.value)


def written(folder: Path) -> list[str]:
    """The sorted names of the files in a folder, without hidden ones."""
    return sorted(path.name for path in folder.glob("[!.]*"))


def read_png(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@contextmanager
def largest_file(size):
    """Let no file grow beyond a size: the writes that fail are real.

    Python would cut off the .pyc files of modules that it imports, here and in processes that start.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
