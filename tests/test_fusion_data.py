import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from dataset.fusion_dataset import FusionDataset, fusion_videos
from dataset.image_io import normalise, read_image, read_label_map, read_labels
from model import InferenceCore, load_network
from model.training.fusion_forward import FrozenAttention
from tests.conftest import ROOT, run_main
from tests.training_trees import write_video
from util.errors import InputError

SETTINGS = ".settings.json"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two videos of eight frames in the layout of BL30K, the second with one object."""
    root = tmp_path_factory.mktemp("bl")
    for name, labels in (("v1", (1, 2)), ("v2", (3,))):
        write_video(root / "JPEGImages", root / "Annotations", name, labels, scale=0.4)
    return root


@pytest.fixture(scope="module")
def generated(tree, weights_file, tmp_path_factory):
    """What generate_fusion makes of them, begun at frames 0, 3 and 6."""
    out = tmp_path_factory.mktemp("fusion") / "bl/run"
    with pytest.MonkeyPatch.context() as patch:
        run_main(patch, "scripts.generate_fusion", *flags(tree, weights_file, out))
    return out


def flags(tree, weights_file, out):
    return ["--bl_root", tree, "--model", weights_file, "--output", out, "--separation", 3, "--device", "cpu"]


def assert_same(folder, expected):
    """Both folders have the same files; grey levels may differ by one.

    Each process finds out by itself which way of multiplying is the quicker, and the two round differently.
    """
    found, wanted = ({path.relative_to(each) for path in each.rglob("*")} for each in (folder, expected))
    assert found == wanted
    assert (folder / SETTINGS).read_bytes() == (expected / SETTINGS).read_bytes()
    for path in (each for each in found if each.suffix == ".png"):
        levels, others = (read_labels(each / path).astype(int) for each in (folder, expected))
        assert levels.shape == others.shape and np.abs(levels - others).max() <= 1, path


def test_each_beginning_reaches_every_frame_both_ways(generated, tree, weights_file):
    found = {str(path.relative_to(generated)) for path in generated.rglob("*.png")}
    wanted = {("v1", label) for label in (1, 2)} | {("v2", 3)}
    assert found == {
        f"{video}/{begun:05}/{label:05}/{frame:05}.png"
        for video, label in wanted
        for begun in (0, 3, 6)
        for frame in range(8)
    }
    truth = read_label_map(tree / "Annotations/v1/00003.png")
    assert np.array_equal(read_labels(generated / "v1/00003/00002/00003.png"), 255 * (truth == 2))

    engine = InferenceCore(load_network(weights_file))
    for frame in (3, 2, 1):
        image = normalise(read_image(tree / f"JPEGImages/v1/{frame:05}.jpg"))
        prob = engine.step(image, torch.tensor(truth) if frame == 3 else None)
    levels = read_labels(generated / "v1/00003/00001/00001.png").astype(float)
    assert np.abs(levels - 255 * prob[1].numpy()).max() <= 1


@pytest.mark.slow
def test_a_stopped_run_continues_and_processes_share(generated, tree, weights_file, tmp_path):
    out = tmp_path / "run"
    (out / "v1/.00003.99999.part").mkdir(parents=True)  # a run that was killed
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29561"]
    command = [*launcher, "-m", "scripts.generate_fusion", *flags(tree, weights_file, out)]
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert_same(out, generated)
    (out / "v2/00003/00003/00001.png").write_bytes(b"kept")  # what is whole is not made again
    with pytest.MonkeyPatch.context() as patch:
        run_main(patch, "scripts.generate_fusion", *flags(tree, weights_file, out))
    assert (out / "v2/00003/00003/00001.png").read_bytes() == b"kept"


def test_other_settings_and_missing_videos_are_refused(generated, tree, weights_file, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="begun with another separation"):
        run_main(
            monkeypatch, "scripts.generate_fusion", *flags(tree, weights_file, generated), "--separation", 2
        )
    with pytest.raises(InputError, match="point --bl_root to BL30K"):
        run_main(monkeypatch, "scripts.generate_fusion", *flags(tmp_path, weights_file, tmp_path / "o"))


def test_a_sample_is_what_the_files_say(generated, tree):
    videos = fusion_videos(generated.parent, tree / "JPEGImages", tree / "Annotations")
    assert [video.beginnings for video in videos] == [[0, 3, 6], [0, 3, 6]]
    dataset = FusionDataset(videos, crop_size=128, seed=5)
    seen = set()
    for epoch in range(4):
        dataset.set_epoch(epoch)
        first, again = dataset[0], dataset[0]
        assert all(torch.equal(first[name], again[name]) for name in first if name != "info")
        a, b, t = map(int, first["info"]["frames"].replace(" and", "").replace(" to", "").split())
        seen.add((a, b, t))
        assert min(a, b) < t < max(a, b)
        assert first["dist"].tolist() == pytest.approx([abs(a - t) / abs(a - b), abs(b - t) / abs(a - b)])
        assert first["selector"].tolist() == [1, 1]
        # the crop is 128 high where the frame is 120: below it there is nothing
        assert first["cls_gt"].shape == (128, 128)
        assert not first["cls_gt"][120:].any() and not first["seg1"][:, 120:].any()
        truth = read_label_map(tree / f"Annotations/v1/{t:05}.png")
        areas = [(truth == label).sum() for label in (1, 2)]
        assert {first["cls_gt"].eq(k).sum().item() <= max(areas) for k in (1, 2)} == {True}
    assert len(seen) > 1
    assert dataset[1]["selector"].tolist() == [1, 0]
    assert not dataset[1]["seg12"].any()


def test_the_attention_is_where_truth_and_carried_mask_differ(generated, tree, network):
    videos = fusion_videos(generated.parent, tree / "JPEGImages", tree / "Annotations")
    sample = FusionDataset(videos, crop_size=96)[0]
    batch = {name: value[None] for name, value in sample.items() if name != "info"}
    attention = FrozenAttention(network)(batch)
    assert attention.shape == (1, 2, 2, 96, 96)
    assert attention.min() >= 0 and attention.max() <= 1
    same = FrozenAttention(network)({**batch, "was_b": batch["mask_b"]})
    assert not same.any()


def test_data_without_their_video_are_named(generated, tree, tmp_path):
    with pytest.raises(InputError, match=r"v1 is not in .* or not whole"):
        fusion_videos(generated.parent, tmp_path, tree / "Annotations")
    with pytest.raises(InputError, match="no data for fusion"):
        fusion_videos(tmp_path, tree / "JPEGImages", tree / "Annotations")
