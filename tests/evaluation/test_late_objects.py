"""Late objects in the layout of DAVIS 2017, and static masks."""

import numpy as np
import pytest

from dataset.davis_test_dataset import davis_2017
from scripts.evaluation.loop import first_frames
from scripts.evaluation.scores import score_video
from scripts.score_static_masks import static_masks
from tests.conftest import read_png, run_main, write_davis, write_labels
from tests.small_data import boxes

LATE = 2  # the frame where object 2 appears
COUNT = 5


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


def test_a_late_object_counts_from_the_frame_after_it_appears(root, tmp_path):
    (video,) = davis_2017(root, "val", late_objects=True)
    for index in range(COUNT):
        mask = truth(index)
        if index == LATE:
            mask[mask == 2] = 0  # as bad as can be, on a frame that does not count for it
        write_labels(tmp_path / f"masks/{index:05}.png", mask)
    scores = score_video(video, tmp_path / "masks")
    assert [(score.label, score.region, score.boundary) for score in scores] == [(1, 100, 100), (2, 100, 100)]
    write_labels(tmp_path / f"masks/{LATE + 1:05}.png", np.where(truth(LATE + 1) == 2, 0, truth(LATE + 1)))
    assert [score.region for score in score_video(video, tmp_path / "masks")] == [100, 0]
    # as DAVIS counts: what the first frame lacks is no object
    (plain,) = davis_2017(root, "val")
    assert [score.region for score in score_video(plain, tmp_path / "masks")] == [100]


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
