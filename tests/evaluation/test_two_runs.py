"""Two runs in one folder: files of different runs are never mixed."""

import shutil

import numpy as np
import pytest

from model.fast_inference import trials
from tests.conftest import (
    contents,
    read_png,
    refused,
    run_main,
    write_davis,
    write_frames,
    write_labels,
    written,
)
from tests.small_data import boxes, noise
from util.settings_record import read_record

COUNT = 3
pytestmark = pytest.mark.usefixtures("preloaded")


def labelled(label, column):
    return boxes(32, 48, {label: np.s_[4:20, column : column + 10]})


@pytest.fixture
def data(tmp_path):
    write_frames(tmp_path / "frames", noise(COUNT, 32, 48))
    write_labels(tmp_path / "m.png", labelled(1, 4))
    write_labels(tmp_path / "later/00002.png", labelled(2, 20))
    return tmp_path


@pytest.fixture
def davis(tmp_path):
    """Two trees with a video of the same name, each for both years, which differ only in the pictures."""

    def tree(root, seed):
        truth = [labelled(1, 4 + index) for index in range(COUNT)]
        for part, listing in ((root, "2016/val"), (root / "trainval", "2017/val")):
            write_davis(part, "v", noise(COUNT, 32, 48, seed), truth, listing)
        return root

    return tree(tmp_path / "one", 0), tree(tmp_path / "two", 1)


@pytest.fixture
def evaluate(preloaded, monkeypatch, tmp_path):
    def run(script, davis, *more):
        flags = [] if script == "scripts.score_static_masks" else preloaded
        run_main(monkeypatch, script, "--davis", davis, "--output", tmp_path / "out", *flags, *more)

    return run


def test_a_continued_run_keeps_the_recorded_choices_of_trials(propagate, data, monkeypatch):
    def try_anew(winner):
        def compare(*ways):
            return trials.Trial((ways[0][0], 0), (ways[1][0], 0), ways[winner][0])

        monkeypatch.setattr(trials, "chosen", {})
        monkeypatch.setattr(trials, "compare", compare)

    def recorded():
        return read_record(data / "out", "")

    try_anew(winner=0)
    propagate()
    before = contents(data / "out")
    assert recorded()["amp"] is False and recorded()["ways"]["products of the memory read"] == "MKL"
    try_anew(winner=1)
    propagate()
    assert contents(data / "out") == before
    assert "another amp (False, now True)" in refused(propagate, "--precision", "reduced")
    try_anew(winner=1)
    propagate("--overwrite")
    assert recorded()["amp"] is True and recorded()["ways"]["products of the memory read"] == "oneDNN"


def test_another_mask_or_range_is_refused(propagate, data):
    out, overlay = data / "out", data / "overlay.mp4"
    propagate("--overlay", overlay, "--save_probs", data / "probs")
    before = contents(out)
    assert "another given mask: " in refused(propagate, masks=data / "later")
    message = refused(propagate, "--end", 2)
    assert "another range (3 frames, 00000 to 00002, now 2 frames, 00000 to 00001)" in message
    assert "another mem_every (5, now 2)" in refused(propagate, "--mem_every", 2)
    assert contents(out) == before
    propagate()  # the same once more
    assert contents(out) == before

    # of the run before nothing is left: masks, probabilities, its overlay video
    propagate("--overwrite", masks=data / "later")
    assert written(out) == ["00002.png"]
    assert np.array_equal(read_png(out / "00002.png"), labelled(2, 20))
    assert not overlay.exists()
    assert not (data / "probs").exists()
    for path in out.glob("[!.]*"):
        path.unlink()
    propagate("--end", 2)  # a run that left nothing does not count
    assert written(out) == ["00000.png", "00001.png"]


def test_another_video_is_refused(propagate, data):
    propagate()
    write_frames(data / "others", noise(COUNT, 32, 48, seed=1))
    assert "another input (" in refused(propagate, input=data / "others")
    (data / "frames").rename(data / "put aside")
    (data / "others").rename(data / "frames")  # the same path, names and masks
    assert "another frame set: " in refused(propagate)


def test_unrecorded_files_are_replaced_only_with_overwrite(propagate, data, caplog):
    overlay = data / "overlay.mp4"
    overlay.write_bytes(b"of someone")
    message = refused(propagate, "--overlay", overlay)
    assert f"{overlay} was made by no run" in message and "--overwrite" in message
    (data / "probs").mkdir()
    (data / "probs/00001.npz").write_bytes(b"of someone")
    assert "probs/00001.npz was made by no run" in refused(propagate, "--save_probs", data / "probs")
    assert overlay.read_bytes() == b"of someone"
    for name in ("00000", "00001", "other"):
        write_labels(data / f"out/{name}.png", labelled(1, 4))
    assert f"{data}/out/00000.png (and 2 more) was made by no run" in refused(propagate)
    caplog.clear()
    propagate("--overwrite", "--overlay", overlay)
    assert "out/other.png stays: no run recorded it" in caplog.text
    assert len(written(data / "out")) == COUNT + 1
    assert overlay.stat().st_size > 100
    assert (data / "probs/00001.npz").read_bytes() == b"of someone"


def test_overwrite_in_a_copied_folder_keeps_files_outside_of_it(propagate, data):
    overlay = data / "overlay.mp4"
    propagate("--overlay", overlay, "--save_probs", data / "probs")
    shutil.copytree(data / "out", data / "copy")
    propagate(output=data / "copy")  # goes on
    propagate("--overwrite", output=data / "copy", masks=data / "later")
    assert written(data / "copy") == ["00002.png"]
    assert overlay.exists()
    assert len(list((data / "probs").iterdir())) == COUNT


def test_another_benchmark_or_data_set_is_refused(evaluate, davis, tmp_path):
    one, two = davis
    out = tmp_path / "out"
    evaluate("eval_davis", one, "--score")
    before = contents(out)
    message = refused(evaluate, "eval_davis_2016", one, "--score")
    assert "another script (eval_davis, now eval_davis_2016): give another --output, or --ov" in message
    assert f"another data ({one}, now {two})" in refused(evaluate, "eval_davis", two)
    assert "another script" in refused(evaluate, "scripts.score_static_masks", one)
    assert "another max_frames (None, now 2)" in refused(evaluate, "eval_davis", one, "--max_frames", 2)
    shutil.rmtree(one / "trainval/JPEGImages")
    shutil.copytree(two / "trainval/JPEGImages", one / "trainval/JPEGImages")
    assert "another frame set: give" in refused(evaluate, "eval_davis", one)
    assert contents(out) == before

    evaluate("eval_davis_2016", two, "--overwrite")
    assert set(np.unique(read_png(out / "v/00001.png"))) <= {0, 255}
    assert not (out / "results.csv").exists()  # of the masks before
