"""Scores of masks in any folder against ground truth."""

import numpy as np
import pytest
from PIL import Image

from tests.conftest import refused, run_main, run_script, write_labels
from tests.evaluation.test_official_scores import SIZE, square

SCRIPT = "scripts.score_masks"
COUNT = 4


@pytest.fixture
def truth(tmp_path):
    """Two videos: `a` has two objects, `b` one."""
    for index in range(COUNT):
        write_labels(tmp_path / f"truth/a/{index:05}.png", square(2, 20, 40, square(1, 5, 5)))
        write_labels(tmp_path / f"truth/b/{index:05}.png", square(1, 5, 5))
    return tmp_path / "truth"


@pytest.fixture
def scored(monkeypatch, capsys):
    """Run the script's main in this process, and return the table that it printed, row by row."""

    def run(*flags):
        capsys.readouterr()
        run_main(monkeypatch, SCRIPT, *flags)
        return [line.split() for line in capsys.readouterr().out.splitlines()]

    return run


def write_all(folder, labels, name="{:05}.png"):
    for index in range(COUNT):
        write_labels(folder / name.format(index), labels)
    return folder


def test_a_folder_of_videos_as_a_user_runs_it(truth, tmp_path):
    masks = tmp_path / "masks"
    write_all(masks / "a", square(1, 5, 5))
    write_all(masks / "b", square(1, 5, 11))  # half a square aside
    command = ["-m", SCRIPT, "--masks", masks, "--truth", truth, "--output", tmp_path / "t.csv"]
    done = run_script(*command)
    rows = [line.split(",") for line in (tmp_path / "t.csv").read_text().splitlines()]
    assert [row[:2] for row in rows[2:]] == [["a", "1"], ["a", "2"], ["b", "1"]]
    assert [row[3] for row in rows[1:]] == ["44.4", "100.0", "0.0", "33.3"]  # 72 of 216 pixels in common
    assert [line.split() for line in done.stdout.splitlines()[2:]] == rows[2:]


def test_one_video_and_the_rules_of_2016(truth, tmp_path, scored):
    masks = write_all(tmp_path / "masks", square(7, 20, 40, square(1, 5, 5)))
    assert scored("--masks", masks, "--truth", truth / "a")[2:] == [
        ["a", "1", "100.0", "100.0", "100.0"],
        ["a", "2", "0.0", "0.0", "0.0"],
    ]
    assert scored("--masks", masks, "--truth", truth / "a", "--year", 2016)[1] == ["mean", *["100.0"] * 3]
    (tmp_path / "all/a").parent.mkdir()
    masks.rename(tmp_path / "all/a")
    for each in (tmp_path / "all", tmp_path / "all/a"):  # found by the video's name
        assert scored("--masks", each, "--truth", truth)[2][:2] == ["a", "1"]
        assert len(scored("--masks", each, "--truth", truth / "a")) == 4


def test_bad_folders_and_masks_are_refused(truth, tmp_path, scored, caplog):
    masks = write_all(tmp_path / "masks/a", square(1, 5, 5))
    assert "holds no ground truth" in refused(scored, "--masks", masks, "--truth", tmp_path / "none")
    strange = write_all(tmp_path / "other/c", np.ones(SIZE), "x{}.png")
    assert "has no ground truth for c" in refused(scored, "--masks", strange.parent, "--truth", truth)
    assert "has no folder b" in refused(scored, "--masks", masks.parent, "--truth", truth / "b")
    said = refused(scored, "--masks", strange, "--truth", truth / "a")
    assert f"({strange}/x0.png first) is named after a frame" in said
    Image.open(masks / "00002.png").convert("RGB").save(masks / "00002.jpg")
    assert "belong to the same frame" in refused(scored, "--masks", masks, "--truth", truth / "a")
    (masks / "00002.png").unlink()
    (masks / "00002.jpg").unlink()
    assert "no mask of 1 of the 2 frames that count" in refused(scored, "--masks", masks, "--truth", truth)
    write_labels(masks / "00002.png", np.zeros((20, 30), np.uint8))
    assert "is 30 x 20, its ground truth 60 x 40" in refused(scored, "--masks", masks, "--truth", truth)
    write_labels(masks / "00002.png", square(5, 5, 5))
    caplog.clear()
    scored("--masks", masks.parent, "--truth", truth)
    assert "labels of no object, 5 (first on 00002): not scored" in caplog.text
    assert "has no masks of b: not scored, and not in the mean" in caplog.text
