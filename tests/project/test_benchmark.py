import json
import re

import pytest
import torch
import torch.nn.functional as F

from model.fast_inference.products import by_onednn
from scripts.benchmark import comparison, everything, inference
from scripts.benchmark.comparison import SIDE, compare, operations, precision
from scripts.benchmark.inference import split_into, time_read
from scripts.benchmark.timing import Report
from tests.conftest import run_main, slow, write_frames, write_labels
from tests.model.interactive_networks import fusion_network
from util.errors import InputError


def test_the_read_that_is_timed_is_the_same():
    timing, difference = time_read(frames=3, grid=(5, 6), top_k=20, turns=2)
    assert len(timing.ours) == len(timing.plain) == 2
    assert difference < 1e-5


def test_a_mask_is_split_into_objects(clip):
    labels = split_into(clip["labels"][0], 3)
    assert set(labels.flatten()) == {0, 1, 2, 3}
    assert ((labels > 0) == (clip["labels"][0] > 0)).all()


@pytest.mark.parametrize("flags", [[], slow(["--amp"])])
def test_inference_is_timed_and_compared(flags, clip, tmp_path, weights_file, monkeypatch, capsys):
    write_frames(tmp_path / "frames", clip["frames"][:4, :48, :80])
    write_labels(tmp_path / "m.png", clip["labels"][0, :48, :80])
    monkeypatch.setattr(comparison, "TRIES", 2)
    given = ["--model", weights_file, "--input", tmp_path / "frames", "--mask", tmp_path / "m.png"]
    given += ["--objects", 2, 3, "--frames", 4, "--device", "cpu", *flags]
    run_main(monkeypatch, "scripts.benchmark.__main__", "--json", tmp_path / "b.json", "inference", *given)
    printed = capsys.readouterr().out
    for objects in (2, 3):
        assert re.search(rf"80 x 48, {objects} objects.* FPS, 3 pairs", printed)
    content = json.loads((tmp_path / "b.json").read_text())
    same = [e["value"] for e in content["measurements"] if e["name"] == "pixels with the same label"]
    assert len(same) == 2 and min(same) > (90 if flags else 99.5)
    reached = "share of the higher that ours reached"
    shares = [e["value"] for e in content["measurements"] if e["name"] == reached]
    assert len(shares) == 2 and all(0 < share < 150 for share in shares)
    assert content["settings"]["objects"] == "[2, 3]" and "torch" in content["machine"]


@pytest.mark.slow
def test_all_that_a_processor_can_be_asked_goes_into_one_table(clip, tmp_path, weights_file, monkeypatch):
    for name, small in (("FRAMES", 3), ("TRAINING", (2, 32)), ("TRAINING_TURNS", 1), ("BUSY_LOOPS", 1)):
        monkeypatch.setitem(getattr(everything, name), "cpu", small)
    monkeypatch.setattr(inference, "READ_FRAMES", (1,))
    write_frames(tmp_path / "frames", clip["frames"][:4, :48, :80])
    write_labels(tmp_path / "m.png", clip["labels"][0, :48, :80])
    given = ["--model", weights_file, "--input", tmp_path / "frames", "--mask", tmp_path / "m.png"]
    table = tmp_path / "b.md"
    run_main(monkeypatch, "scripts.benchmark.__main__", "--markdown", table, "all", *given, "--device", "cpu")
    rows = table.read_text().splitlines()
    compared = [row.split("**")[1] for row in rows if row.startswith("| **")]
    video = [f"80 x 48, {what}" for what in ("1 objects", "3 objects", "1 objects, amp")]
    assert compared == [
        *video,
        "80 x 48, 1 objects, 1 busy loops",
        "read, 1 frames",
        "training, 2 x 32 x 32",
    ]
    assert all(row.count("|") == 6 for row in rows if row.startswith("|"))


def test_what_does_not_fit_into_a_gpu_is_left_out(capsys):
    def measure(args, report):
        raise torch.cuda.OutOfMemoryError

    everything.make(measure, None, Report({}))
    assert (
        "left out, since it does not fit into the GPU's memory: tests.project.test_benchmark"
        in capsys.readouterr().out
    )


def test_what_was_measured_before_an_error_is_written(tmp_path, monkeypatch):
    def run(args, report):
        report.number("done", 3, "of 4")
        raise InputError("the fourth cannot be measured.")

    monkeypatch.setattr(inference, "run_read", run)
    flags = ["--json", tmp_path / "b.json", "--markdown", tmp_path / "b.md", "read", "--device", "cpu"]
    with pytest.raises(InputError, match="the fourth"):
        run_main(monkeypatch, "scripts.benchmark.__main__", *flags)
    assert json.loads((tmp_path / "b.json").read_text())["measurements"][0]["value"] == 3
    assert "| done | 3 | | | of 4 |" in (tmp_path / "b.md").read_text()


def test_busy_loops_keep_cores_busy_and_end():
    with inference.busy_loops(2) as loops:
        assert all(loop.poll() is None for loop in loops)
    assert all(loop.poll() is not None for loop in loops)


@pytest.mark.slow
@pytest.mark.parametrize("fuses", [True, False])
def test_rounds_are_timed_and_compared(fuses, clip, tmp_path, weights_file, monkeypatch, capsys):
    write_frames(tmp_path / "frames", clip["frames"][:8, :48, :80])
    write_labels(tmp_path / "m.png", clip["labels"][0, :48, :80])
    given = ["--model", weights_file, "--input", tmp_path / "frames", "--mask", tmp_path / "m.png"]
    given += ["--frames", 5, "--long", 5, "--device", "cpu"]
    if fuses:
        torch.save(fusion_network().state_dict(), tmp_path / "fusion.pth")
        given += ["--fusion", tmp_path / "fusion.pth"]
    run_main(monkeypatch, "scripts.benchmark.__main__", "--json", tmp_path / "b.json", "interactive", *given)
    printed = capsys.readouterr().out
    assert re.search(r"80 x 48, 2 objects, first round .* FPS, 4 pairs", printed)
    assert re.search(r"80 x 48, 2 objects, second round .* FPS, 3 pairs", printed)
    measured = json.loads((tmp_path / "b.json").read_text())["measurements"]
    same = [each["value"] for each in measured if each["name"] == "pixels with the same label"]
    assert len(same) == 2 and min(same) > 99.5
    done = [each["value"] for each in measured if each["name"].endswith("frames done")]
    assert done == [4, 2]  # in the second, between 0, 2 and 4


@pytest.mark.slow
def test_training_steps_are_the_same_in_both_ways(monkeypatch, capsys):
    flags = ["-b", 2, "--crop_size", 32, "--turns", 1, "--device", "cpu"]
    run_main(monkeypatch, "scripts.benchmark.__main__", "train", *flags)
    printed = capsys.readouterr().out
    assert re.search(r"training, 2 x 32 x 32 .* samples/s, 1 pairs", printed)
    assert float(re.search(r"difference of the losses: (\S+)", printed)[1]) < 1e-4


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_operations_are_those_of_convolutions_and_products(mode):
    image, kernel = torch.ones(2, 3, 10, 12), torch.ones(5, 3, 3, 3)
    with mode():
        convolution = operations(lambda: F.conv2d(image, kernel, padding=1).relu() + 1)
        assert convolution == 2 * (2 * 5 * 10 * 12) * (3 * 9)
        assert operations(lambda: torch.ones(4, 6) @ torch.ones(6, 7)) == 2 * 4 * 6 * 7


def test_operations_of_reordered_products_count():
    with torch.inference_mode():
        multiply = by_onednn(torch.ones(6, 7))
        assert operations(lambda: multiply(torch.ones(4, 6))) == 2 * 4 * 6 * 7


def test_operations_of_gradients_count():
    image, kernel = torch.ones(2, 3, 10, 12, requires_grad=True), torch.ones(5, 3, 3, 3, requires_grad=True)
    forth = 2 * (2 * 5 * 10 * 12) * (3 * 9)
    assert operations(lambda: F.conv2d(image, kernel, padding=1).sum().backward()) == 3 * forth


def test_the_share_is_that_of_the_operations_in_the_time_they_took():
    side, cpu = SIDE["cpu"], torch.device("cpu")
    a, report, ways = torch.randn(side, side), Report({}), [lambda: lambda x: x @ x] * 2
    pairs = compare(report, "product", "products/s", *ways, [a] * 8, device=cpu, matrices="float32")
    assert len(pairs) == 8 and torch.equal(*pairs[0])
    measured = {each["name"]: each for each in report.content["measurements"]}
    kinds = ("matrix products", "convolutions")
    rates = [measured[f"rate of {kind} in float32 on the processor"] for kind in kinds]
    rate = max(each["value"] for each in rates) * 1e12
    share = measured["share of the higher that ours reached"]["value"] / 100
    assert share * rate == pytest.approx(2 * side**3 * measured["product"]["ours"])
    assert 0.1 < share < 10  # of itself, on a machine that may be busy


@pytest.mark.parametrize(
    ("device", "amp", "may", "expected"),
    [
        ("cpu", False, True, "float32"),
        ("cpu", True, True, "bfloat16"),
        ("cuda", False, True, "TF32"),
        ("cuda", False, False, "float32"),
    ],
)
def test_the_rate_is_that_of_the_precision(device, amp, may, expected):
    assert precision(torch.device(device), amp, may) == expected


def test_one_frame_is_nothing_to_measure(clip, tmp_path, weights_file, monkeypatch):
    write_frames(tmp_path / "frames", clip["frames"][:1])
    write_labels(tmp_path / "m.png", clip["labels"][0])
    given = ["--model", weights_file, "--input", tmp_path / "frames", "--mask", tmp_path / "m.png"]
    with pytest.raises(InputError, match=r"one frame of .* give more --frames"):
        run_main(monkeypatch, "scripts.benchmark.__main__", "inference", *given, "--device", "cpu")
    with pytest.raises(InputError, match=r"two rounds need 5 frames: give more of .*frames"):
        run_main(monkeypatch, "scripts.benchmark.__main__", "interactive", *given, "--device", "cpu")
