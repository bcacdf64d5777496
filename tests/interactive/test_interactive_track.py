import csv
import gzip
import itertools
import json
import re
import shutil
from functools import partial

import numpy as np
import pytest

from dataset.interactive.davis_interactive import find_sequences
from dataset.interactive.scribbles import scribble_map
from scripts.interactive_track import DavisInteractiveSession, session
from scripts.interactive_track.summary import summarise
from tests.conftest import GOLDEN, refused, write_labels

TRACK = GOLDEN / "interactive/davis_interactive"
LIMITS = {"max_nb_interactions": 4, "max_time": 600}


@pytest.fixture(scope="module")
def predictions():
    return np.load(TRACK / "predictions.npz")


@pytest.fixture(scope="module")
def steps():
    return json.loads(gzip.decompress((TRACK / "steps.json.gz").read_bytes()))


@pytest.fixture
def clock(monkeypatch):
    """The session's simulated clock: a list of one number."""
    now = [0.0]
    monkeypatch.setattr(session, "perf_counter", lambda: now[0])
    return now


@pytest.fixture(scope="module")
def played(predictions, steps, tmp_path_factory):
    """A run over the golden data set with the golden timings: its session, folder and scribbles."""
    folder, given, now = tmp_path_factory.mktemp("played"), [], [0.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "perf_counter", lambda: now[0])
        with DavisInteractiveSession(davis_root=TRACK / "davis", report_save_dir=folder, **LIMITS) as run:
            for step, (sequence, scribbles, is_new) in zip(steps, run.scribbles_iterator(True), strict=True):
                given.append((sequence, scribbles, is_new))
                now[0] += 3.5 * step["interaction"] + (len(given) - 1) // 4 % 2 + 1  # and the file's number
                run.submit_masks(predictions[f"{sequence}_{step['interaction']}"], step["candidates"])
    return run, folder, given


def test_next_frames_and_scribbles_equal_the_golden_ones(played, steps):
    backwards = 0
    for (sequence, scribbles, is_new), step in zip(played[2], steps, strict=True):
        frames = [frame for frame, lines in enumerate(scribbles["scribbles"]) if lines]
        assert (sequence, is_new, frames) == (step["sequence"], step["new"], step["frames"])
        assert scribbles["annotated_frame"] == frames[0]
        lines, golden = scribbles["scribbles"][frames[0]], step["scribbles"][frames[0]]
        assert [line["object_id"] for line in lines] == [line["object_id"] for line in golden]
        for line, other in zip(lines, golden, strict=True):
            path, expected = np.array(line["path"]), np.array(other["path"])
            if np.abs(path - expected).max() > 1e-5:  # the first pixel of four is the order of a Python set
                backwards += 1
                path = path[::-1]
            np.testing.assert_allclose(path, expected, atol=1e-5)
        drawn = scribble_map(lines, (120, 214))
        assert [[int((drawn == label).sum()) for label in (-1, 0, 1, 2)]] == step["mask_counts"]
    assert backwards == 6  # of 68: parts of four pixels


def test_report_and_summary_equal_the_golden_ones(played):
    run, folder, _ = played
    with (TRACK / "report.csv").open() as golden, (folder / "report.csv").open() as written:
        for expected, row in itertools.zip_longest(csv.DictReader(golden), csv.DictReader(written)):
            for name in ("sequence", "scribble_idx", "interaction", "object_id", "frame"):
                assert row[name] == expected[name]
            for name in ("jaccard", "contour", "j_and_f"):
                assert float(row[name]) == pytest.approx(float(expected[name]), abs=1e-9)
            assert float(row["timing"]) == 3.5 * int(row["interaction"]) + int(row["scribble_idx"])
    golden = json.loads((TRACK / "summary.json").read_text())
    written = json.loads((folder / "summary.json").read_text())
    assert_same_summary(written, golden["full"])
    assert written["samples"]["finished"] == 4

    samples = list(run.samples.values())
    del samples[3].interactions[2:]
    assert_same_summary(summarise(samples, 4, 600, "J_AND_F"), golden["two_interactions_missing"])


def assert_same_summary(summary, golden):
    assert summary["auc"] == pytest.approx(golden["auc"], abs=1e-9)
    assert summary["metric_at_threshold"] == pytest.approx(golden["metric_at_threshold"], abs=1e-9)
    for name in ("time", "J_AND_F"):
        assert summary["curve"][name] == pytest.approx(golden["curve"][name], abs=1e-9)


def test_answers_after_the_time_limit_do_not_count(clock, predictions):
    def seconds_of_scoring(**options):
        with DavisInteractiveSession(davis_root=TRACK / "davis", max_time=10, **options) as run:
            for sequence, _, _ in run.scribbles_iterator():
                clock[0] += 6
                run.submit_masks(predictions[f"{sequence}_1"])
                clock[0] += 9  # as if the robot took so long
        return [(len(sample.interactions), sample.timed_out) for sample in run.samples.values()]

    # 20 seconds for two objects, 10 for one: 6 + 9 + 6 is too late
    assert seconds_of_scoring() == [(1, True), (1, True), (1, False), (1, False)]
    assert seconds_of_scoring(scorer_time=False) == [(3, True), (3, True), (1, True), (1, True)]


def test_invalid_masks_are_refused():
    run = DavisInteractiveSession(davis_root=TRACK / "davis")
    run.next()
    run.get_scribbles()
    right = np.zeros((12, 120, 214), np.uint8)
    for masks, candidates, message in (
        (right[:, 20:], None, r"are \(12, 100, 214\) of uint8: .* \(12, 120, 214\)"),
        (right.astype(np.float32), None, "of float32: submit label maps of whole numbers"),
        (right + 7, None, r"the label 7, which is none of its objects \(1, 2\)"),
        (right, [], r"candidates are \[\]"),
        (right, [3, 12], r"candidates are .*12.*: give frames from 0 to 11"),
    ):
        assert re.search(message, refused(run.submit_masks, masks, candidates))
    run.submit_masks(right)  # nothing is lost but time


def test_invalid_data_sets_are_refused(tmp_path):
    root = shutil.copytree(TRACK / "davis", tmp_path / "davis")
    begin = partial(DavisInteractiveSession, davis_root=root)
    assert "there is no folder" in refused(begin, davis_root=tmp_path)
    assert "there is no metric F1" in refused(begin, metric_to_optimize="F1")
    for path in (root / "Annotations/480p/dog").iterdir():
        write_labels(path, np.zeros((120, 214)))
    assert "show no object" in refused(begin)
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_text("car-shadow\n")
    assert [each.name for each in find_sequences(root, "val")] == ["car-shadow"]
    assert re.search("there is no list .*train.txt", refused(begin, subset="train"))


def test_the_robot_draws_the_first_scribbles_where_there_are_no_files(tmp_path):
    truth = np.zeros((4, 60, 90), np.uint8)
    truth[1:, 10:30, 10:50], truth[2:, 35:55, 40:80] = 1, 2  # the second object comes later
    for index, labels in enumerate(truth):
        write_labels(tmp_path / f"Annotations/480p/made/{index:05}.png", labels)
    with DavisInteractiveSession(davis_root=tmp_path, max_nb_interactions=2) as run:
        assert run.next()
        _, scribbles, _ = run.get_scribbles()
        assert [len(lines) for lines in scribbles["scribbles"]] == [0, 0, 2, 0]
        run.submit_masks(np.where(np.arange(4)[:, None, None] == 2, truth, 0), [2])
        assert run.next()
        assert not any(run.get_scribbles(only_last=True)[1]["scribbles"])  # nothing to correct there
        run.submit_masks(truth)
    assert not run.next()
    summary = run.get_global_summary()
    assert summary["samples"]["first_scribbles_by_robot"] == [["made", 1]]
    assert summary["curve"]["J_AND_F"][-1] == 1


def test_a_run_continues_with_the_first_unfinished_sample(predictions, tmp_path, clock):
    def play(count):
        with DavisInteractiveSession(davis_root=TRACK / "davis", report_save_dir=tmp_path, **LIMITS) as run:
            asked = []
            for sequence, _, _ in itertools.islice(run.scribbles_iterator(), count):
                asked.append(sequence)
                clock[0] += 1
                run.submit_masks(predictions[f"{sequence}_{(len(asked) - 1) % 4 + 1}"])
        return asked

    assert len(play(6)) == 6  # one sample, and half of the next one
    rows = (tmp_path / "report.csv").read_text()
    assert json.loads((tmp_path / "summary.json").read_text())["samples"]["finished"] == 1
    assert len(play(None)) == 12
    assert (tmp_path / "report.csv").read_text().startswith(rows)
    assert play(None) == []
    again = {"davis_root": TRACK / "davis", "report_save_dir": tmp_path}
    assert "begun with another interactions (4, now 8)" in refused(DavisInteractiveSession(**again).__enter__)
    (tmp_path / "samples/dog_001.json").write_text("{")
    assert "dog_001.json is damaged: remove it" in refused(DavisInteractiveSession, **again, **LIMITS)
