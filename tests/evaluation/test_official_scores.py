"""J and F as the official tool of DAVIS 2017 counts them."""

import json

import numpy as np
import pytest

from dataset.davis_test_dataset import davis_2017
from scripts.evaluation.scores import report, score_video
from tests.conftest import GOLDEN, write_davis, write_labels
from tests.small_data import boxes

EXPECTED = json.loads((GOLDEN / "scores.json").read_text())
COUNT = 7
SIZE = (40, 60)


def square(label, row, column, labels=0):
    drawn = boxes(*SIZE, {label: np.s_[row : row + 12, column : column + 12]})
    return np.where(drawn, drawn, labels)


def tree(root, truth, count=COUNT):
    """A video `v` in the layout of DAVIS 2017, with truth on some of its frames."""
    frames = np.zeros((count, *next(iter(truth.values())).shape, 3), np.uint8)
    write_davis(root / "trainval", "v", frames, truth)
    return root


def write_masks(folder, masks):
    for index, labels in enumerate(masks):
        write_labels(folder / f"{index:05}.png", labels)
    return folder


def scores_of(root, folder, late_objects=False):
    (video,) = davis_2017(root, "val", late_objects=late_objects)
    return {each.label: (each.region, each.boundary) for each in score_video(video, folder)}


@pytest.mark.parametrize("case", EXPECTED)
def test_golden_numbers(case, tmp_path):
    golden = np.load(GOLDEN / "scores.npz")
    truth = golden[f"{case}/truth"]
    root = tree(tmp_path / "davis", dict(enumerate(truth)), len(truth))
    found = scores_of(root, write_masks(tmp_path / "masks", golden[f"{case}/masks"]))
    for column, measure in enumerate("JF"):
        ours = {f"v_{label}": each[column] / 100 for label, each in found.items()}
        assert ours == pytest.approx(EXPECTED[case][measure], abs=1e-12)


def test_of_sparse_ground_truth_the_first_and_last_frame_do_not_count(tmp_path):
    truth = {index: square(1, 5 + index, 10) for index in (0, 2, 4, 6)}
    root = tree(tmp_path / "davis", truth)
    masks = [square(1, 5 + index, 10) for index in range(COUNT)]
    masks[2] = square(1, 5 + 2, 10 + 6)  # 6 of 12 columns off: 72 of 216 pixels in common
    masks[0] = masks[6] = masks[1] = np.zeros(SIZE, np.uint8)
    found = scores_of(root, write_masks(tmp_path / "masks", masks))
    assert found[1][0] == pytest.approx(100 * np.mean([72 / 216, 1]))


def test_two_frames_of_ground_truth_give_no_score(tmp_path, caplog, capsys):
    caplog.set_level("INFO")
    root = tree(tmp_path / "davis", {0: square(1, 5, 5), 3: square(1, 5, 5)})
    assert scores_of(root, tmp_path) == {}
    assert "v: ground truth on 2 frames, of which none counts: no score" in caplog.text
    (tmp_path / "results.csv").write_text("of other masks")
    report([], tmp_path / "results.csv")
    assert "No score" in capsys.readouterr().out
    assert not (tmp_path / "results.csv").exists()


def test_an_object_that_vanishes_from_the_ground_truth_counts(tmp_path):
    both = square(2, 20, 40, square(1, 5, 5))
    one = square(1, 5, 5)
    root = tree(tmp_path / "davis", {0: both} | dict.fromkeys(range(1, COUNT), one))
    masks = [both, both, *[one] * (COUNT - 2)]
    found = scores_of(root, write_masks(tmp_path / "masks", masks))
    assert found == {1: (100, 100), 2: (pytest.approx(80), pytest.approx(80))}  # wrong on one frame of five


def test_a_warning_names_labels_that_were_never_given(tmp_path, caplog):
    given = square(3, 5, 5, square(1, 20, 5))
    late = square(4, 20, 40, square(2, 5, 40, given))
    root = tree(tmp_path / "davis", {0: given, 1: given} | dict.fromkeys(range(2, COUNT), late))
    folder = write_masks(tmp_path / "masks", [given] * COUNT)
    assert scores_of(root, folder) == {1: (100, 100), 2: (20, 20), 3: (100, 100)}
    assert "that its first frame lacks, 2 (first on 00002), 4 (first on 00002): never given" in caplog.text
    caplog.clear()
    # given on frame 2, where they are missing, they count on frames 3 to 5
    folder = write_masks(tmp_path / "masks", [given] * 3 + [late] + [given] * 3)
    third = pytest.approx(100 / 3)
    expected = {1: (100, 100), 2: (third, third), 3: (100, 100), 4: (third, third)}
    assert scores_of(root, folder, late_objects=True) == expected
    assert caplog.text == ""
