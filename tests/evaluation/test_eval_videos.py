"""Videos in folders: presets, given masks, written frames, archives, flipping, and bad input."""

import json
import re
import zipfile

import numpy as np
import pytest
import torch

from dataset.image_io import normalise, read_image
from dataset.video_folders import Given, Protocol, folder_videos
from model import InferenceCore
from tests.conftest import contents, read_png, refused, run_main, write_davis, write_frames, write_labels
from tests.small_data import boxes

SIZE = (48, 64)
LENGTHS = {"b": 2, "a": 4}
LATE = 2  # the frame of `a` on which object 2 appears


def truth(name, index):
    second = {2: np.s_[26:42, 34:54]} if name == "b" or index >= LATE else {}
    return boxes(*SIZE, {1: np.s_[6 + index : 24 + index, 6:30]} | second)


@pytest.fixture(scope="module")
def davis(tmp_path_factory, clip):
    """DAVIS 2017, and the same videos in the layouts of other benchmarks."""
    root = tmp_path_factory.mktemp("data")
    trainval = root / "davis/trainval"
    for name, count in LENGTHS.items():
        frames = clip["frames"][:count, : SIZE[0], : SIZE[1]]
        write_davis(trainval, name, frames, [truth(name, index) for index in range(count)])
    for folder in ("mose/valid", "lvos/val"):
        (root / folder).mkdir(parents=True)
        for kind in ("JPEGImages", "Annotations"):
            (root / folder / kind).symlink_to(trainval / kind / "480p")
    return root


@pytest.fixture
def evaluate(preloaded, tmp_path, monkeypatch):
    """Run a script, and return the masks it has written as bytes, by path."""

    def run(module, *flags, name="out"):
        run_main(monkeypatch, module, *flags, "--output", tmp_path / name, *preloaded, "--no_previous")
        return contents(tmp_path / name, "*.png")

    return run


def test_presets_and_folders_write_what_the_script_of_davis_writes(davis, evaluate, caplog):
    caplog.set_level("INFO")
    first = evaluate("eval_davis", "--davis", davis / "davis", name="first")
    late = evaluate("eval_davis", "--davis", davis / "davis", "--late_objects", name="late")
    assert first != late
    videos = "scripts.eval_videos"
    assert evaluate(videos, "--preset", "mose", "--root", davis / "mose", name="mose") == first
    assert "2 videos of" in caplog.text
    assert "Given: the first mask; frames reduced to a shorter side of 480; masks of all fr" in caplog.text
    assert evaluate(videos, "--preset", "lvos", "--root", davis / "lvos", name="lvos") == late
    own = ["--images", davis / "mose/valid/JPEGImages", "--masks", davis / "mose/valid/Annotations"]
    assert evaluate(videos, *own, "--preset", "davis17", name="own_davis17") == first
    assert evaluate(videos, *own, "--late_objects", name="own_late") == late
    message = refused(evaluate, videos, *own, name="own_late")
    assert "begun with another given (each object's first mask, now the first mask" in message


def test_an_archive_holds_every_mask_in_the_folder_of_the_server(davis, tmp_path, evaluate):
    preset = ["scripts.eval_videos", "--preset", "mose", "--root", davis / "mose"]
    for more, folder in (([], ""), (["--zip_folder", "Annotations"], "Annotations/")):
        masks = evaluate(*preset, "--zip", tmp_path / "x.zip", *more)
        with zipfile.ZipFile(tmp_path / "x.zip") as archive:
            held = {name: archive.read(name) for name in archive.namelist()}
        assert held == {f"{folder}{name}": content for name, content in masks.items()}
        assert len(held) == sum(LENGTHS.values())
    (tmp_path / "y.zip").write_bytes(b"of another")
    assert "y.zip was made by no run recorded" in refused(evaluate, *preset, "--zip", tmp_path / "y.zip")


def test_flip_is_the_mean_of_two_runs_one_of_them_mirrored(davis, tmp_path, evaluate, network):
    preset = ["scripts.eval_videos", "--preset", "lvos", "--root", davis / "lvos"]
    evaluate(*preset, "--flip")
    engines = [InferenceCore(network, max_memory_frames=50, remember_previous=False) for _ in range(2)]
    first, late = (torch.from_numpy(truth("a", index)) for index in (0, LATE))
    masks = {0: first, LATE: torch.where(late == 2, late, 0)}
    for index in range(LENGTHS["a"]):
        frame = normalise(read_image(davis / f"mose/valid/JPEGImages/a/{index:05}.jpg"))
        mask = masks.get(index)
        plain = engines[0].step(frame, mask)
        mirrored = engines[1].step(frame.flip(-1), None if mask is None else mask.flip(-1))
        expected = engines[0].label_map((plain + mirrored.flip(-1)) / 2)
        assert np.array_equal(read_png(tmp_path / f"out/a/{index:05}.png"), expected), index
    assert not torch.equal(plain.argmax(0), mirrored.flip(-1).argmax(0))  # there is something to average
    assert "another flip (True, now False)" in refused(evaluate, *preset)


def test_masks_given_by_each_protocol(tmp_path, clip):
    write_frames(tmp_path / "i/v", clip["frames"][:5, :48, :64])
    for index in (1, 2, 3):
        write_labels(tmp_path / f"m/v/{index:05}.png", truth("a", index) if index > 1 else np.zeros(SIZE))

    def video(**protocol):
        (video,) = folder_videos(tmp_path / "i", tmp_path / "m", Protocol(**protocol))
        return video

    assert list(video().frames.names) == ["00002", "00003", "00004"]
    assert list(video().masks) == [0]
    assert list(video(given=Given.ALL).masks) == [0, 1]
    assert video(given=Given.LATE).given_labels == {0: {1, 2}}
    assert video(short_side=40).short_side == 40
    assert video(short_side=48).short_side is None
    assert video(short_side=480, published_resizing=True).short_side == 480


def test_meta_json_lists_the_frames_with_masks(davis, tmp_path, evaluate):
    frames = {"a": {"1": ["00000", "00002"], "2": ["00002", "00003"]}, "b": {"1": ["00001"]}}
    videos = {name: {"objects": {k: {"frames": v} for k, v in each.items()}} for name, each in frames.items()}
    (tmp_path / "meta.json").write_text(json.dumps({"videos": videos}))
    preset = ["scripts.eval_videos", "--preset", "mose", "--root", davis / "mose"]
    every = evaluate(*preset, name="every")
    found = evaluate(*preset, "--meta", tmp_path / "meta.json", "--score")
    names = ["a/00000.png", "a/00002.png", "a/00003.png", "b/00001.png"]
    assert sorted(found) == names
    assert found.items() <= every.items()
    rows = [line.split(",")[0] for line in (tmp_path / "out/results.csv").read_text().splitlines()]
    assert rows == ["video", "mean", "a"]  # of `b` the truth of one frame is left, which does not count


@pytest.fixture
def tree(tmp_path, clip):
    """Videos a and b with first masks."""
    for name, count in LENGTHS.items():
        write_frames(tmp_path / "i" / name, clip["frames"][:count, : SIZE[0], : SIZE[1]])
        write_labels(tmp_path / f"m/{name}/00000.png", truth(name, 0))
    return tmp_path


OBJECT = '{"objects": {"1": {"frames": ["00077"]}}}'
META = f'{{"videos": {{"a": {OBJECT}, "b": {OBJECT}}}}}'
PLAIN = ["--images", "{tree}/i", "--masks", "{tree}/m"]


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize(
    ("spoil", "flags", "message"),
    [
        (
            lambda tree: (tree / "m/a/00000.png").rename(tree / "m/a/00001.png"),
            ["--preset", "mose", *PLAIN],
            r"^video a has no mask of its first frame 00000\.jpg",
        ),
        (
            lambda tree: write_labels(tree / "m/b/00009.png", truth("b", 0)),
            PLAIN,
            r"^\S*m/b/00009\.png has no frame in \S*/i/b",
        ),
        (
            lambda tree: (tree / "list.txt").write_text("a\nzebra\n"),
            [*PLAIN, "--subset", "{tree}/list.txt"],
            r"list\.txt lists zebra, which has no folder in .* \(videos without a folder: 1\)",
        ),
        (
            lambda tree: (tree / "meta.json").write_text(META),
            [*PLAIN, "--meta", "{tree}/meta.json"],
            r"^\S*/i/a has no frame 00077, for which",
        ),
        (None, ["--images", "{tree}/i"], r"^give --images and --masks, or the --preset of a benchmark\.$"),
        (None, ["--preset", "mose", "--root", "{tree}"], r"JPEGImages: point --root to the data of mose"),
        (None, [*PLAIN, "--zip", "x.zip", "--max_frames", "2"], r"^--zip needs the masks of all frames"),
    ],
)
def test_bad_input_is_one_sentence_before_the_network_is_loaded(spoil, flags, message, tree, monkeypatch):
    if spoil is not None:
        spoil(tree)
    flags = [flag.replace("{tree}", str(tree)) for flag in flags]
    command = ["scripts.eval_videos", *flags, "--output", tree / "out", "--device", "cpu"]
    assert re.search(message, refused(run_main, monkeypatch, *command))
    assert not list(tree.glob("out/*/*"))
