"""DAVIS 2017: masks and scores of eval_davis, late objects, and static masks."""

import numpy as np
import pytest
from PIL import Image

from dataset.davis_test_dataset import davis_2017
from scripts.evaluation.loop import first_frames
from scripts.score_static_masks import static_masks
from tests.conftest import read_png, run_main, write_davis, written
from tests.small_data import boxes
from util.palette import voc_palette

LATE = 2  # the frame where object 2 appears
COUNT = 5


def test_val_writes_paletted_masks_scores_every_object_and_pictures(
    tmp_path, clip, preloaded, monkeypatch, capsys
):
    frames, labels = clip["frames"][:, :48, :72], clip["labels"][1, :48, :72]
    for name, count in (("b", 4), ("a", 3)):
        write_davis(tmp_path / "2017/trainval", name, frames[:count], [labels] * count)
    out = tmp_path / "out"
    flags = ["--davis", tmp_path / "2017", "--output", out, *preloaded]
    flags += ["--score", "--overlay", "--contact_sheet", tmp_path / "sheets"]
    run_main(monkeypatch, "eval_davis", *flags)

    mask = Image.open(out / "b/00003.png")
    assert mask.mode == "P"
    assert mask.getpalette() == voc_palette()
    assert set(np.unique(mask)) <= {0, 1, 2}
    assert np.array_equal(read_png(out / "b/00000.png"), labels)
    rows = [line.split(",")[:2] for line in (out / "results.csv").read_text().splitlines()]
    assert rows == [["video", "object"], ["mean", ""], ["b", "1"], ["b", "2"], ["a", "1"], ["a", "2"]]
    assert sorted(path.name for path in out.iterdir()) == [".settings.json", "a", "b", "results.csv"]
    assert (tmp_path / "out_overlay/a.mp4").stat().st_size > 0
    assert Image.open(tmp_path / "sheets/b.jpg").size == (4 * 480, 320)
    assert "Total processed frames: 7" in capsys.readouterr().out


def test_test_dev_has_its_own_folder(tmp_path, clip, preloaded, monkeypatch):
    frames, truth = clip["frames"][:3, :48, :72], [clip["labels"][1, :48, :72]]
    write_davis(tmp_path / "test-dev", "only", frames, truth, "2017/test-dev")
    flags = ["--davis", tmp_path, "--output", tmp_path / "out", "--split", "testdev", "--score"]
    run_main(monkeypatch, "eval_davis", *flags, *preloaded)
    assert written(tmp_path / "out") == ["only"]  # and no scores


@pytest.fixture
def root(tmp_path, clip):
    """Object 1 moves down by a row a frame, object 2 is there from frame 2 on."""
    truths = [truth(index) for index in range(COUNT)]
    write_davis(tmp_path / "davis/trainval", "video", clip["frames"][:COUNT, :64, :96], truths)
    return tmp_path / "davis"


def truth(index):
    second = {2: np.s_[35:55, 50:80]} if index >= LATE else {}
    return boxes(64, 96, {1: np.s_[10 + index : 30 + index, 10:40]} | second)


def test_a_late_object_is_given_alone_on_its_first_frame(root):
    (video,) = davis_2017(root, "val", late_objects=True)
    assert sorted(video.masks) == [0, LATE]
    assert np.array_equal(video.read(0).mask, truth(0))
    assert np.array_equal(video.read(LATE).mask, np.where(truth(LATE) == 2, 2, 0))
    cut = first_frames(video, LATE)
    assert (sorted(cut.masks), sorted(cut.given_labels)) == ([0], [0])


def test_static_masks_repeat_the_first_mask_of_each_object(root, tmp_path, monkeypatch, capsys):
    (video,) = davis_2017(root, "val", late_objects=True)
    both = np.where(truth(LATE) == 2, 2, truth(0))
    expected = [truth(0)] * LATE + [both] * (COUNT - LATE)
    assert np.array_equal(list(static_masks(video)), expected)

    out = tmp_path / "static"
    run_main(monkeypatch, "scripts.score_static_masks", "--davis", root, "--late_objects", "--output", out)
    assert all(np.array_equal(read_png(out / f"video/{i:05}.png"), expected[i]) for i in range(COUNT))
    rows = [line.split(",") for line in (out / "results.csv").read_text().splitlines()]
    # object 1 is off by 1, 2 and 3 rows of 20 on the frames that count
    assert float(rows[2][3]) == pytest.approx(100 * np.mean([19 / 21, 18 / 22, 17 / 23]), abs=0.06)
    assert rows[3] == ["video", "2", "100.0", "100.0", "100.0"]
    assert "mean" in capsys.readouterr().out
