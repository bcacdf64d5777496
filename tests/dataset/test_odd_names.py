"""Names of files that are long, hidden, no text, or spelt in another way."""

import os
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from tests.conftest import read_png, run_main, slow, write_labels
from util.errors import InputError
from util.files import TEMPORARY, atomic_path, remove_leftovers

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3), np.uint8)
LABELS = np.zeros((32, 48), np.uint8)
LABELS[4:20, 4:30] = 1

STEMS = {
    "no_text": [os.fsdecode(b"\xff\xfe%d" % number) for number in range(3)],
    "long": ["é" * 122 + f"{number:02}" for number in range(3)],  # 246 bytes: 250 with the suffix
    "odd": ["a:b %d 'c'", "%03d", "-n"],
}


def write_pictures(folder, stems, suffix="jpg"):
    folder.mkdir(parents=True)
    for stem, picture in zip(stems, PICTURES, strict=True):
        Image.fromarray(picture).save(folder / f"{stem}.{suffix}")
    return folder


@pytest.fixture
def propagate(network, weights_file, monkeypatch):
    monkeypatch.setattr("scripts.propagate_video.load_network", lambda *_: network)
    given = ["--model", weights_file, "--device", "cpu"]
    return lambda *flags: run_main(monkeypatch, "scripts.propagate_video", *flags, *given)


@pytest.mark.parametrize("kind", [slow("no_text"), "long", "odd"])
def test_results_are_written_under_the_names_of_the_frames(kind, propagate, tmp_path):
    stems = STEMS[kind]
    frames = write_pictures(tmp_path / stems[1], stems)
    write_labels(tmp_path / "m.png", LABELS)
    out, probs = tmp_path / "out", tmp_path / "probs"
    flags = ["--input", frames, "--masks", tmp_path / "m.png", "--output", out, "--save_probs", probs]
    film, sheet = tmp_path / f"{stems[0]}.mp4", tmp_path / f"{stems[0]}.jpg"
    flags += ["--overlay", film, "--contact_sheet", sheet]
    propagate(*flags)
    propagate(*flags)  # again over the same files: they are known as the run's own
    assert {path.name for path in out.glob("[!.]*")} == {f"{stem}.png" for stem in stems}
    assert {path.name for path in probs.glob("*")} == {f"{stem}.npz" for stem in stems}
    assert film.is_file()
    assert sheet.is_file()


@pytest.mark.parametrize("numbered", [True, False])
def test_a_mask_finds_its_frame_however_its_letters_are_composed(numbered, propagate, tmp_path):
    stems = [normalize("NFD", f"Prüfung {number}" if numbered else "äöü"[number]) for number in range(3)]
    frames = write_pictures(tmp_path / "frames", stems)
    write_labels(tmp_path / "masks" / f"{normalize('NFC', stems[1])}.png", LABELS)
    out = tmp_path / "out"
    propagate("--input", frames, "--masks", tmp_path / "masks", "--output", out)
    assert {path.name for path in out.glob("[!.]*")} == {f"{stem}.png" for stem in stems[1:]}
    assert np.array_equal(read_png(out / f"{stems[1]}.png"), LABELS)


def test_hidden_pictures_are_no_frames_and_that_is_said(propagate, tmp_path):
    frames = write_pictures(tmp_path / "frames", [".0", ".1", ".2"])
    write_labels(tmp_path / ".m.png", LABELS)
    flags = ["--masks", tmp_path / ".m.png", "--output", tmp_path / ".out"]
    with pytest.raises(InputError, match=r"the pictures in .*frames have names that begin with a dot"):
        propagate("--input", frames, *flags)
    propagate("--input", write_pictures(tmp_path / ".frames", ["0", "1", "2"]), *flags)
    assert len(list((tmp_path / ".out").glob("[!.]*.png"))) == 3


@pytest.fixture
def benchmark(network, weights_file, monkeypatch, tmp_path):
    """Evaluate a video of some name as DAVIS 2016, with all that can be asked for."""
    monkeypatch.setattr("scripts.evaluation.loop.load_network", lambda *_: network)

    def run(name):
        stems = ["00000", "00001", "00002"]
        write_pictures(tmp_path / "data/JPEGImages/480p" / name, stems)
        for stem in stems:
            write_labels(tmp_path / "data/Annotations/480p" / name / f"{stem}.png", LABELS)
        flags = ["--davis", tmp_path / "data", "--output", tmp_path / "out", "--model", weights_file]
        flags += ["--device", "cpu", "--score", "--overlay", "--contact_sheet"]
        run_main(monkeypatch, "eval_davis_2016", *flags)

    return run


def test_a_benchmark_of_odd_names(benchmark, tmp_path):
    name = os.fsdecode(b"\xff") + "é" * 100
    benchmark(name)
    assert len(list((tmp_path / "out" / name).glob("*.png"))) == 3
    assert (tmp_path / f"out_overlay/{name}.mp4").is_file()
    assert os.fsencode(name) in (tmp_path / "out/results.csv").read_bytes()


def test_a_film_whose_name_would_be_too_long_is_refused_at_the_start(benchmark, tmp_path):
    with pytest.raises(InputError, match=r"the name v+.mp4 of a result is longer than"):
        benchmark("v" * 253)
    assert not list(tmp_path.glob("out/*/*.png"))


def test_temporary_names_are_no_longer_than_names_may_be(tmp_path):
    for stem in ("a" * 251, "日" * 83):
        with atomic_path(tmp_path / f"{stem}.png") as temporary:
            temporary.touch()
            assert TEMPORARY.fullmatch(temporary.name)
        assert (tmp_path / f"{stem}.png").is_file()
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / f"{stem}.png") as temporary:
        temporary.touch()
        _ = 1 / 0
    (tmp_path / temporary.name).touch()  # of a run that was killed
    remove_leftovers(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
