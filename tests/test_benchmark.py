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
    run_main(monkeypatch, "scripts.benchmark", "inference", *given, "--objects", 2, "--frames", 4, *flags)
    printed = capsys.readouterr().out
    assert re.search(r"inference .* FPS, 3 pairs", printed)
    same = float(re.search(r"same label: ([\d.]+) %", printed)[1])
    assert same > (90 if flags else 99.5)
