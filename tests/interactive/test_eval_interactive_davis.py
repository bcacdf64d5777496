import csv
import json
import re
from functools import cache

import numpy as np
import pytest
import torch

from dataset.video_files.frame_source import PictureFiles
from model import InteractiveCore, load_network
from scripts.interactive_track.method import NormalisedFrames
from tests.conftest import read_png, refused, run_main, run_script, write_davis, write_frames, write_labels

MODULE = "scripts.eval_interactive_davis"
FRAMES, SIZE = 3, (64, 96)
INTERACTIONS = 3
SHORT = "--subset", "short"  # a list of one sequence


@pytest.fixture(scope="module")
def davis(tmp_path_factory):
    """Two sequences, with two and one objects that move over noise, without scribble files."""
    root = tmp_path_factory.mktemp("davis") / "trainval"
    random = np.random.default_rng(5)
    for name, corners in {"two": [(6, 8), (34, 40)], "one": [(20, 30)]}.items():
        frames = random.integers(40, 120, (FRAMES, *SIZE, 3), np.uint8)
        truth = np.zeros((FRAMES, *SIZE), np.uint8)
        for index, frame in enumerate(frames):
            for label, (y, x) in enumerate(corners, 1):
                truth[index, y : y + 24, x + 3 * index : x + 3 * index + 32] = label
                frame[truth[index] == label, label] += 130
        write_davis(root, name, frames, truth)
    (root / "ImageSets/2017/short.txt").write_text("one\n")
    return root.parent


@pytest.fixture(scope="module")
def keeping_weights(network, tmp_path_factory):
    """The golden weights with another bias, so that masks neither vanish nor fill these frames."""
    path = tmp_path_factory.mktemp("weights") / "keeping.pth"
    torch.save(network.state_dict() | {"decoder.pred.bias": torch.tensor([-5.0])}, path)
    return path


@pytest.fixture
def keeping(keeping_weights, monkeypatch):
    """The network with these weights, loaded once for all scripts."""
    network = _loaded(keeping_weights)
    monkeypatch.setattr("scripts.interactive_track.method.load_network", lambda *_: network)
    return network


_loaded = cache(load_network)


@pytest.fixture(scope="module")
def flags(davis, keeping_weights):
    limits = ["--interactions", INTERACTIONS, "--max_time", 3600, "--precision", "float32"]
    return ["--davis", davis, "--model", keeping_weights, "--device", "cpu", *limits]


@pytest.fixture(scope="module")
def alone(flags, tmp_path_factory):
    """The output folder of one undisturbed process, and its finished process."""
    out = tmp_path_factory.mktemp("alone")
    done = run_script("-m", MODULE, *flags, "--output", out, "--save_masks")
    return out, done


def report(folder):
    """Return the report's rows without timings."""
    with (folder / "report.csv").open() as file:
        return [{**row, "timing": None} for row in csv.DictReader(file)]


def test_report_summary_curve_and_masks(alone, davis):
    out, done = alone
    rows = report(out)
    assert len(rows) == INTERACTIONS * FRAMES * (2 + 1)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["samples"]["first_scribbles_by_robot"] == [["two", 1], ["one", 1]]
    assert summary["samples"]["finished"] == 2
    auc, reached = 100 * summary["auc"], 100 * summary["metric_at_threshold"]["J_AND_F"]
    assert f"AUC J&F: {auc:.1f}\nJ&F@60s: {reached:.1f}\n" in done.stdout
    assert auc > 20
    assert read_png(out / "curve.png").shape == (600, 960, 4)
    for words in ("GrabCut turns scribbles", "weighted by distance", "scribble files for two, one", "ETA"):
        assert words in done.stderr
    for row in rows:
        if row["object_id"] == "1":
            name = f"{row['sequence']}/001/{row['interaction']}/{int(row['frame']):05}.png"
            folder = davis / "trainval/Annotations/480p" / row["sequence"]
            truth = read_png(folder / f"{int(row['frame']):05}.png") == 1
            mask = read_png(out / "masks" / name) == 1
            assert (mask & truth).sum() / (mask | truth).sum() == pytest.approx(float(row["jaccard"]))


def test_the_policy_decides_when_masks_are_propagated(alone, davis, flags, monkeypatch, keeping, tmp_path):
    run_main(monkeypatch, MODULE, *flags, "--output", tmp_path, *SHORT, "--policy", "every", "--save_masks")

    def masks(out, number):
        return [read_png(out / f"masks/one/001/{number}/{index:05}.png") for index in range(FRAMES)]

    for number in (1, 2):  # the robot starts on the first frame, since all are empty
        published = masks(alone[0], number)
        assert published[0].any() and not np.any(published[1:])
    for out, number in ((alone[0], 3), (tmp_path, 1)):
        written = masks(out, number)
        frames = PictureFiles(sorted((davis / "trainval/JPEGImages/480p/one").iterdir()))
        core = InteractiveCore(keeping, NormalisedFrames(frames), [1])
        core.give(0, torch.from_numpy(written[0].copy()))
        assert list(core.propagate())
        assert all(np.array_equal(core.label_map(index), mask) for index, mask in enumerate(written))
        assert np.any(written[1:])


@pytest.mark.slow
def test_two_ranks_report_the_same_as_one(alone, flags, tmp_path):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = run_script(*launcher, "-m", MODULE, *flags, "--output", tmp_path)
    assert report(tmp_path) == report(alone[0])
    assert "has its own clock" in done.stderr
    assert done.stdout.count("AUC J&F") == 1
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["samples"]["finished"] == 2


@pytest.mark.usefixtures("keeping")
def test_with_all_three_networks(flags, s2m_file, fusion_file, monkeypatch, capsys, caplog, tmp_path):
    weights = ["--s2m", s2m_file, "--fusion", fusion_file]
    more = [*SHORT, "--policy", "every", "--interactions", 2, "--output", tmp_path / "out"]
    run_main(monkeypatch, MODULE, *flags, *weights, *more)
    assert re.search(r"AUC J&F: \d+\.\d", capsys.readouterr().out)
    assert not any("blended" in record.message or "GrabCut" in record.message for record in caplog.records)
    said = refused(run_main, monkeypatch, MODULE, *flags, *SHORT, "--output", tmp_path / "out")
    assert "begun with another" in said


def test_bad_flags_and_data_are_refused_before_the_work(flags, monkeypatch, tmp_path):
    run = [run_main, monkeypatch, MODULE, *flags, "--output", tmp_path / "out"]
    assert "absent.pth: give --s2m a file" in refused(*run, "--s2m", tmp_path / "absent.pth")
    bare = ["--davis", tmp_path / "bare"]
    write_labels(tmp_path / "bare/Annotations/480p/b/00000.png", np.eye(9))
    assert "there are no frames of b: put its pictures beside its masks" in refused(*run, *bare)
    write_frames(tmp_path / "bare/JPEGImages/480p/b", np.zeros((1, 9, 10, 3), np.uint8))
    assert "the frames of b are 10 x 9, its masks 9 x 9" in refused(*run, *bare)
    assert not (tmp_path / "out").exists()
