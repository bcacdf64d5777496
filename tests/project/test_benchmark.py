import re

import pytest

from model.fast_inference import trials
from scripts.benchmark import __main__ as command
from scripts.benchmark import inference
from scripts.benchmark.inference import time_read
from tests.conftest import needs_gpu, run_main, slow, write_frames, write_labels
from util.errors import InputError

MODULE = "scripts.benchmark.__main__"


@pytest.fixture
def video(clip, tmp_path, weights_file):
    write_frames(tmp_path / "frames", clip["frames"][:4, :48, :80])
    write_labels(tmp_path / "m.png", clip["labels"][0, :48, :80])
    given = ["--model", weights_file, "--input", tmp_path / "frames", "--mask", tmp_path / "m.png"]
    return [*given, "--device", "cpu"]


def test_both_timed_reads_give_the_same_result():
    timing, difference = time_read(frames=3, grid=(5, 6), top_k=20, turns=2)
    assert len(timing.ours) == len(timing.plain) == 2
    assert difference < 1e-5


@pytest.mark.parametrize("flags", [[], slow(["--amp"])])
def test_inference_is_timed_and_compared(flags, video, monkeypatch, capsys):
    run_main(monkeypatch, MODULE, "inference", *video, "--objects", 2, *flags)
    printed = capsys.readouterr().out
    assert "torch 2" in printed
    assert re.search(r"80 x 48, 2 objects.* FPS, 3 pairs", printed)
    same = re.search(r"^pixels with the same label: (\S+) %$", printed, re.MULTILINE)[1]
    assert float(same) > (90 if flags else 99.5)


def test_each_trial_of_the_machine_is_printed_with_its_numbers(monkeypatch, capsys):
    monkeypatch.setattr(trials, "chosen", {})
    monkeypatch.setattr(trials, "made", {})
    run_main(monkeypatch, MODULE, "machine")
    printed = capsys.readouterr().out
    assert "products of the memory read: MKL (chosen): 0 ms" in printed
    subjects = {line.split(":")[0] for line in printed.splitlines() if line.endswith(" ms")}
    assert subjects == {
        *("products of the memory read", "convolutions in bfloat16"),
        *(f"precision of {kind}" for kind in ("frames of 427 x 240", "frames of 854 x 480")),
        "precision of training steps of 160 x 160",
    }


@pytest.mark.slow
def test_all_measurements_go_into_one_table(video, tmp_path, monkeypatch):
    monkeypatch.setitem(command.SIZES, "cpu", ([1], 3, 1, 2, 32))
    monkeypatch.setattr(inference, "READ_FRAMES", (1,))
    run_main(monkeypatch, MODULE, "--markdown", tmp_path / "b.md", "all", *video)
    rows = (tmp_path / "b.md").read_text().splitlines()
    training = "training, 2 x 32 x 32"
    frames = "80 x 48, 1 objects"
    assert [row.split("**")[1] for row in rows if row.startswith("| **")] == [
        *(frames, f"{frames}, amp", "read, 1 frames", training, f"{training}, amp")
    ]
    assert all(row.count("|") == 6 for row in rows if row.startswith("|"))


@pytest.mark.slow
def test_rounds_are_timed_and_compared(video, monkeypatch, capsys):
    run_main(monkeypatch, MODULE, "interactive", *video)
    printed = capsys.readouterr().out
    assert re.search(r"80 x 48, 2 objects, first round .* FPS, 3 pairs", printed)
    assert re.search(r"80 x 48, 2 objects, second round .* FPS, 2 pairs", printed)
    same = re.findall(r"same label: (\S+) %", printed)
    assert len(same) == 2 and min(map(float, same)) > 99.5


@pytest.mark.slow
def test_training_steps_are_the_same_in_both_ways(monkeypatch, capsys):
    flags = ["-b", 2, "--crop_size", 32, "--turns", 1, "--device", "cpu"]
    run_main(monkeypatch, MODULE, "train", *flags)
    printed = capsys.readouterr().out
    assert re.search(r"training, 2 x 32 x 32 .* samples/s, 1 pairs", printed)
    assert float(re.search(r"difference of the losses: (\S+)", printed)[1]) < 1e-4


@needs_gpu
def test_the_benchmarks_report_the_peak_of_memory(video, monkeypatch, capsys):
    for flags in (["inference", *video], ["train", "-b", 2, "--crop_size", 32, "--turns", 1]):
        run_main(monkeypatch, MODULE, *flags, "--device", "cuda")
        peaks = re.findall(r"^peak memory of \w+: (\S+) MB$", capsys.readouterr().out, re.MULTILINE)
        assert len(peaks) == 2 and min(map(float, peaks)) > 100  # the weights alone are more


def test_a_single_frame_is_refused(video, monkeypatch):
    with pytest.raises(InputError, match=r"frames.*--frames"):
        run_main(monkeypatch, MODULE, "inference", *video, "--frames", 1)
