import json
import re

import numpy as np
import pytest
import torch

from dataset.davis_test_dataset import davis_2016
from dataset.image_io import normalise, read_image
from model import InferenceCore
from scripts.evaluation.loop import segment
from tests.conftest import needs_gpu, read_png, run_main, write_davis, write_labels, written

SIZE = (48, 67)  # of the small clips: odd, so that padding matters


@pytest.fixture
def davis(tmp_path, clip):
    """Two short videos in DAVIS 2016 layout; ground truth on every frame."""
    root = tmp_path / "DAVIS" / "2016"
    part = np.s_[: SIZE[0], : SIZE[1]]
    for name, count in (("short", 4), ("long", 5)):
        frames = [frame[part] for frame in clip["frames"][:count]]
        truth = [np.roll(clip["labels"][1], index, axis=1)[part] for index in range(count)]
        write_davis(root, name, frames, truth, "2016/val")
    return root


@pytest.fixture
def evaluate(davis, tmp_path, preloaded, monkeypatch, capsys):
    """Run the script's main in this process with more flags; return what it printed."""
    flags = ["--davis", davis, "--output", tmp_path / "out", *preloaded]

    def run(*more):
        capsys.readouterr()
        run_main(monkeypatch, "eval_davis_2016", *flags, *more)
        return capsys.readouterr().out

    return run


def modified(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}


def test_a_run_its_files_its_scores_and_its_continuation(evaluate, davis, tmp_path, network):
    out = tmp_path / "out"
    said = evaluate("--score")

    # one 0/255 PNG per frame under the frame's own name
    assert written(out / "long") == [f"{i:05}.png" for i in range(5)]
    masks = [read_png(out / f"long/{i:05}.png") for i in range(5)]
    assert all(m.shape == SIZE and m.dtype == np.uint8 and set(np.unique(m)) <= {0, 255} for m in masks)
    truth = read_png(davis / "Annotations/480p/long/00000.png")
    assert np.array_equal(masks[0] > 0, truth > 0)
    assert masks[4].any() and not masks[4].all()

    # the same masks as the engine gives by hand
    engine = InferenceCore(network)
    for i in range(5):
        frame = normalise(read_image(davis / f"JPEGImages/480p/long/{i:05}.jpg"))
        prob = engine.step(frame, torch.from_numpy(truth > 0).int() if i == 0 else None)
        assert np.array_equal(engine.label_map(prob).numpy(), masks[i] > 0)

    # speed lines and scores
    seconds, fps = re.search(r"time: (.*)\nTotal processed frames: 9\nFPS: (.*)\n", said).groups()
    assert float(fps) == pytest.approx(9 / float(seconds), rel=1e-2)
    table = [line.split(",") for line in (out / "results.csv").read_text().splitlines()]
    assert [row[0] for row in table] == ["video", "mean", "short", "long"]
    assert "mean" in said

    # a rerun redoes only what is missing
    (out / "long/00003.png").unlink()
    before = modified(out)
    again = evaluate()
    after = modified(out)
    assert "Total processed frames: 5" in again
    assert {p.parent.name for p in before if after[p] != before[p]} == {"long"}
    assert np.array_equal(read_png(out / "long/00003.png"), masks[3])
    assert not list(out.rglob(".*.png"))

    # other settings
    assert "Total processed frames: 9" in evaluate("--top_k", 20, "--no_previous", "--overwrite")
    settings = json.loads((out / ".settings.json").read_text())
    assert (settings["top_k"], settings["remember_previous"]) == (20, False)


def test_overwrite_removes_old_masks_before_it_computes_new_ones(evaluate, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    evaluate("--max_frames", 2)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("scripts.evaluation.loop.evaluate_video", stop)
        evaluate("--max_frames", 2, "--top_k", 20, "--overwrite")
    assert "Total processed frames: 4" in evaluate("--max_frames", 2, "--top_k", 20)


@needs_gpu
def test_a_gpu_writes_the_masks_of_a_cpu(davis, weights_file, tmp_path, monkeypatch):
    for device in ("cpu", "cuda"):
        flags = ["--davis", davis, "--model", weights_file, "--output", tmp_path / device, "--device", device]
        run_main(monkeypatch, "eval_davis_2016", *flags, "--no_tf32")
    masks = sorted((tmp_path / "cpu").rglob("*.png"))
    assert len(masks) == 9
    for path in masks:
        on_gpu = read_png(tmp_path / "cuda" / path.relative_to(tmp_path / "cpu"))
        assert (on_gpu == read_png(path)).mean() > 0.998


@needs_gpu
def test_frames_are_page_locked_for_a_gpu(davis, load):
    result = next(segment(davis_2016(davis)[0], InferenceCore(load("cuda"))))
    assert result.frame.image.is_pinned() and result.frame.mask.is_pinned()


@pytest.mark.parametrize(
    "listing",
    ["/JPEGImages/480p/{}/00000.jpg /Annotations/480p/{}/00000.png\n", None],
    ids=["official", "none"],
)
def test_other_video_lists(listing, davis):
    (davis / "ImageSets/2016/val.txt").unlink()
    if listing is not None:
        (davis / "ImageSets/480p").mkdir()
        lines = "".join(listing.format(name, name) for name in ("short", "short", "long"))
        (davis / "ImageSets/480p/val.txt").write_text(lines)
    names = [video.name for video in davis_2016(davis)]
    assert names == (["long", "short"] if listing is None else ["short", "long"])


def test_an_empty_first_mask_is_a_warning_and_black_masks(evaluate, davis, tmp_path, caplog):
    write_labels(davis / "Annotations/480p/short/00000.png", np.zeros(SIZE))
    evaluate("--max_frames", 2)
    assert re.search(r"short: its first mask .*00000.png is empty", caplog.text)
    masks = [read_png(path) for path in (tmp_path / "out/short").iterdir()]
    assert len(masks) == 2
    assert not any(m.any() for m in masks)
