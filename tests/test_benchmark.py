import json
import re

import pytest

from scripts.benchmark_inference import split_into, time_read
from tests.conftest import run_main, write_frames, write_labels


def test_the_read_that_is_timed_is_the_same():
    timing, difference = time_read(frames=3, grid=(5, 6), top_k=20, turns=2)
    assert len(timing.ours) == len(timing.plain) == 2
    assert difference < 1e-5


def test_a_mask_is_split_into_objects(clip):
    labels = split_into(clip["labels"][0], 3)
    assert set(labels.flatten()) == {0, 1, 2, 3}
    assert ((labels > 0) == (clip["labels"][0] > 0)).all()


@pytest.mark.parametrize("flags", [[], ["--amp"]])
def test_inference_is_timed_and_compared(flags, clip, tmp_path, weights_file, monkeypatch, capsys):
    write_frames(tmp_path / "frames", clip["frames"][:4, :48, :80])
    write_labels(tmp_path / "m.png", clip["labels"][0, :48, :80])
    given = ["--model", weights_file, "--input", tmp_path / "frames", "--mask", tmp_path / "m.png"]
    given = ["--json", tmp_path / "b.json", "inference", *given, "--objects", 2, "--frames", 4]
    run_main(monkeypatch, "scripts.benchmark", *given, *flags)
    assert re.search(r"80 x 48, 2 objects.* FPS, 3 pairs", capsys.readouterr().out)
    content = json.loads((tmp_path / "b.json").read_text())
    measured = {each["name"]: each for each in content["measurements"]}
    assert measured["pixels with the same label"]["value"] > (90 if flags else 99.5)
    assert content["settings"]["objects"] == "2" and "torch" in content["machine"]


def test_training_steps_are_the_same_in_both_ways(monkeypatch, capsys):
    run_main(monkeypatch, "scripts.benchmark", "train", "-b", 2, "--crop_size", 32, "--turns", 1)
    printed = capsys.readouterr().out
    assert re.search(r"training, 2 x 32 x 32 .* samples/s, 1 pairs", printed)
    assert float(re.search(r"difference of the losses: (\S+)", printed)[1]) < 1e-4
