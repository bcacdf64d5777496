"""Archives for the servers of benchmarks, and the average with the mirrored video."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dataset.image_io import normalise
from dataset.video_folders import Given, Protocol, folder_videos
from model import InferenceCore
from scripts.evaluation.submission import check_submission, write_submission
from tests.conftest import read_png, run_main, write_frames, write_labels
from util.errors import InputError
from util.palette import voc_palette

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
def done(data):
    """The video, and masks of all its frames as a run writes them."""
    (video,) = folder_videos(data / "i", data / "m", Protocol(Given.LATE))
    for name in video.results:
        write_labels(data / f"out/v/{name}.png", labelled(1, 2))
    return video, data / "out"


def listed(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.namelist()


@pytest.mark.parametrize("folder", ["", "Annotations"])
def test_the_archive_holds_every_mask_where_the_server_looks(folder, done, tmp_path):
    video, output = done
    check_submission(video, output / "v")
    write_submission(tmp_path / "x.zip", [video], output, folder)
    around = f"{folder}/" if folder else ""
    assert listed(tmp_path / "x.zip") == [f"{around}v/{index:05}.png" for index in range(COUNT)]
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.read(f"{around}v/00002.png") == (output / "v/00002.png").read_bytes()


def recolour(path):
    image = Image.fromarray(labelled(1))
    image.putpalette([0, 0, 0, 9, 9, 9, *voc_palette()[6:]])
    image.save(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (Path.unlink, "is missing"),
        (lambda path: write_labels(path, labelled(1)[:-1]), "is 64 x 47, its frame 64 x 48"),
        (recolour, "has another palette than the masks given"),
        (lambda path: write_labels(path, labelled(1, 3)), "has the label 3, which was never given"),
    ],
)
def test_what_a_server_would_refuse_is_one_sentence(spoil, message, done):
    video, output = done
    spoil(output / "v/00002.png")
    with pytest.raises(InputError, match=rf"^mask \S*00002\.png {message}, so no archive is written: remove"):
        check_submission(video, output / "v")


@pytest.fixture
def evaluate(data, preloaded, monkeypatch):
    return lambda script, *flags: run_main(monkeypatch, script, *flags, "--output", data / "run", *preloaded)


def test_scripts_pack_in_the_form_of_their_benchmark(data, evaluate):
    own = ["--images", data / "i", "--masks", data / "m", "--late_objects"]
    evaluate("scripts.eval_videos", *own, "--zip", data / "own.zip")
    assert listed(data / "own.zip")[0] == "v/00000.png"
    evaluate("scripts.eval_videos", *own, "--zip", data / "around.zip", "--zip_folder", "results")
    assert listed(data / "around.zip")[0] == "results/v/00000.png"
    write_labels(data / "run/v/00003.png", labelled(5))
    with pytest.raises(InputError, match=r"00003\.png has the label 5, which was never given"):
        evaluate("scripts.eval_videos", *own, "--zip", data / "new.zip")
    assert not (data / "new.zip").exists()
    (data / "foreign.zip").write_bytes(b"of another")
    with pytest.raises(InputError, match=r"foreign\.zip was made by no run recorded"):
        evaluate("scripts.eval_videos", *own, "--zip", data / "foreign.zip")


def test_flip_is_the_mean_of_two_runs_one_of_them_mirrored(data, evaluate, network):
    evaluate("scripts.eval_videos", "--images", data / "i", "--masks", data / "m", "--all_masks", "--flip")
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
        evaluate("scripts.eval_videos", "--images", data / "i", "--masks", data / "m", "--all_masks")
