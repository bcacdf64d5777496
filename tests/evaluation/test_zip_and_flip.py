"""Archives for the servers of benchmarks, and the average with the mirrored video."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from dataset.image_io import normalise
from model import InferenceCore
from tests.conftest import read_png, run_main, write_frames, write_labels
from util.errors import InputError

SIZE = (48, 64)
COUNT = 4


def labelled(*labels):
    result = np.zeros(SIZE, np.uint8)
    for place, label in enumerate(labels):
        result[8 + 4 * place : 30 + 4 * place, 4 + 24 * place : 24 + 24 * place] = label
    return result


@pytest.fixture
def data(tmp_path, clip):
    """A video whose object 2 appears on frame 1."""
    write_frames(tmp_path / "i/v", clip["frames"][:COUNT, : SIZE[0], : SIZE[1]])
    write_labels(tmp_path / "m/v/00000.png", labelled(1))
    write_labels(tmp_path / "m/v/00001.png", labelled(1, 2))
    return tmp_path


@pytest.fixture
def evaluate(data, preloaded, monkeypatch):
    flags = ["--images", data / "i", "--masks", data / "m", "--output", data / "run", *preloaded]
    return lambda *more: run_main(monkeypatch, "scripts.eval_videos", *flags, *more)


def test_an_archive_holds_every_mask_in_the_folder_of_the_server(data, evaluate):
    for more, folder in (([], ""), (["--zip_folder", "Annotations"], "Annotations/")):
        evaluate("--zip", data / "x.zip", *more)
        with zipfile.ZipFile(data / "x.zip") as archive:
            assert archive.namelist() == [f"{folder}v/{index:05}.png" for index in range(COUNT)]
            assert archive.read(f"{folder}v/00002.png") == (data / "run/v/00002.png").read_bytes()
    (data / "foreign.zip").write_bytes(b"of another")
    with pytest.raises(InputError, match=r"foreign\.zip was made by no run recorded"):
        evaluate("--zip", data / "foreign.zip")


def test_flip_is_the_mean_of_two_runs_one_of_them_mirrored(data, evaluate, network):
    evaluate("--all_masks", "--flip")
    engines = [InferenceCore(network, top_k=50, max_memory_frames=50) for _ in range(2)]
    masks = {index: torch.from_numpy(read_png(data / f"m/v/{index:05}.png").copy()) for index in (0, 1)}
    for index in range(COUNT):
        frame = normalise(np.asarray(Image.open(data / f"i/v/{index:05}.jpg")))
        mask = masks.get(index)
        plain = engines[0].step(frame, mask)
        mirrored = engines[1].step(frame.flip(-1), None if mask is None else mask.flip(-1))
        mean = (plain + mirrored.flip(-1)) / 2
        expected = engines[0].label_map(mean)
        assert np.array_equal(read_png(data / f"run/v/{index:05}.png"), expected), index
    assert not torch.equal(plain.argmax(0), mirrored.flip(-1).argmax(0))  # there is something to average
    with pytest.raises(InputError, match=r"another flip \(True, now False\)"):
        evaluate("--all_masks")
