import functools
import re

import numpy as np
import pytest
import torch

from dataset.image_io import normalise, read_image
from dataset.masks.readers import read_label_map, read_labels
from dataset.training import fusion_dataset
from dataset.training.fusion_dataset import FusionDataset, FusionRun, FusionVideo, draw, find_fusion_videos
from dataset.training.interactive_sets import fusion_training_set
from model import InferenceCore
from model.training.fusion_forward import FrozenAttention
from scripts.generate_fusion import chosen_objects, write_frame
from tests.conftest import refused, run_main
from tests.dataset.recipe_statistics import RECIPE
from tests.training.training_trees import write_video
from util.errors import InputError


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two videos of five frames in the layout of BL30K, the second with one object."""
    root = tmp_path_factory.mktemp("bl")
    for name, labels in (("v1", (1, 2)), ("v2", (3,))):
        write_video(root / "JPEGImages", root / "Annotations", name, labels, frames=5, scale=0.3)
    return root


@pytest.fixture(scope="module")
def generated(tree, weights_file, network, tmp_path_factory):
    """The output of generate_fusion, begun at frames 0 and 3."""
    out = tmp_path_factory.mktemp("fusion") / "bl/run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.generate_fusion.load_network", lambda *_: network)
        run_main(patch, "scripts.generate_fusion", *flags(tree, weights_file, out))
    return out


def flags(tree, weights_file, out):
    return ["--bl_root", tree, "--model", weights_file, "--output", out, "--separation", 3, "--device", "cpu"]


def test_masks_are_propagated_both_ways_from_each_first_frame(generated, tree, network):
    found = {str(path.relative_to(generated)) for path in generated.rglob("*.png")}
    wanted = {("v1", label) for label in (1, 2)} | {("v2", 3)}
    assert found == {
        f"{video}/{begun:05}/{label:05}/{frame:05}.png"
        for video, label in wanted
        for begun in (0, 3)
        for frame in range(5)
    }
    truth = read_label_map(tree / "Annotations/v1/00003.png")
    assert np.array_equal(read_labels(generated / "v1/00003/00002/00003.png"), 255 * (truth == 2))

    engine = InferenceCore(network)
    for frame in (3, 2, 1):
        image = normalise(read_image(tree / f"JPEGImages/v1/{frame:05}.jpg"))
        prob = engine.step(image, torch.tensor(truth) if frame == 3 else None)
    levels = read_labels(generated / "v1/00003/00001/00001.png").astype(float)
    assert np.abs(levels - 255 * prob[1].numpy()).max() <= 1


def test_other_settings_and_missing_videos_are_refused(
    generated, tree, weights_file, network, tmp_path, monkeypatch
):
    monkeypatch.setattr("scripts.generate_fusion.load_network", lambda *_: network)
    for more, message in (
        ([*flags(tree, weights_file, generated), "--separation", 2], "begun with another separation"),
        (flags(tmp_path, weights_file, tmp_path / "o"), "or --bl_root to BL30K"),
    ):
        assert re.search(message, refused(run_main, monkeypatch, "scripts.generate_fusion", *more))


def test_a_sample_equals_its_files(generated, tree):
    videos = find_fusion_videos(generated.parent, tree / "JPEGImages", tree / "Annotations")
    assert [(video.name, video.runs[0].beginnings) for video in videos] == [("v1", (0, 3)), ("v2", (0, 3))]
    for root in generated.parents[:2]:  # the folder of the runs, or the one above
        assert len(fusion_training_set(0, root, tree, None, 96, 0)) == 2
    dataset = FusionDataset(videos, crop_size=128, seed=5)
    seen = set()
    for epoch in range(4):
        dataset.set_epoch(epoch)
        first, again = dataset[0], dataset[0]
        assert all(torch.equal(first[name], again[name]) for name in first if name != "info")
        a, b, t = map(int, re.findall(r"\d+", first["info"]["frames"]))
        seen.add((a, b, t))
        assert {a, b} == {0, 3} and 0 <= t < 5
        assert first["dist"].tolist() == pytest.approx([abs(a - t) / 3, abs(b - t) / 3])
        assert first["selector"].tolist() == [1, 1]
        assert first["cls_gt"].shape == (128, 128)  # the frame is 36 x 64: there is nothing around it
        assert not first["cls_gt"][36:].any() and not first["seg1"][:, 36:].any()
        truth = read_label_map(tree / f"Annotations/v1/{t:05}.png")
        seen_areas = sorted(first["cls_gt"].eq(k).sum() for k in (1, 2))
        assert seen_areas == sorted((truth == label).sum() for label in (1, 2))
    assert len(seen) > 1
    single = FusionDataset(videos[1:], crop_size=128)[0]
    assert single["selector"].tolist() == [1, 0]
    assert not single["seg12"].any()


def reached(folder, reach):
    """Return a video of 70 frames with one object, generated from every fifth frame as far as `reach`."""
    run = FusionRun(folder, tuple(range(0, 70, 5)))
    for begun in run.beginnings:
        first, last = (0, 69) if reach is None else (max(0, begun - reach), min(69, begun + reach))
        run.prob(begun, 1, 0).parent.mkdir(parents=True)
        for frame in range(first, last + 1):
            run.prob(begun, 1, frame).touch()
    return FusionVideo("v", [], [], [run])


class EveryChoice:
    """A generator that replays choices, and records how many values each draw has."""

    def __init__(self, choices):
        self.choices, self.sizes = choices, []

    def integers(self, count):
        self.sizes.append(count)
        place = len(self.sizes) - 1
        return self.choices[place] if place < len(self.choices) else 0

    def random(self):
        return 0.5


def all_draws(video):
    """Every draw of a video with its probability."""
    choices = []
    while choices is not None:
        random = EveryChoice(choices)
        drawn = draw(video, random)
        yield drawn, 1 / np.prod(random.sizes, dtype=float)
        choices = choices + [0] * (len(random.sizes) - len(choices))
        while choices and choices[-1] + 1 == random.sizes[len(choices) - 1]:
            choices.pop()
        if not choices:
            return
        choices[-1] += 1


@pytest.mark.parametrize("kind", ["davis", "bl"])
def test_frames_are_drawn_with_the_probabilities_of_the_original(kind, tmp_path, monkeypatch):
    """All draws are enumerated."""
    golden = RECIPE["fusion_triples"][kind]
    monkeypatch.setattr(fusion_dataset, "list_numbers", functools.cache(fusion_dataset.list_numbers))
    monkeypatch.setattr(FusionRun, "reach", functools.cache(FusionRun.reach))
    draws, p = zip(*all_draws(reached(tmp_path, golden["range"])), strict=True)
    p = np.array(p)
    assert p.sum() == pytest.approx(1)
    assert p[[each is None for each in draws]].sum() == golden["no_second_reference"]
    a, b, t = np.array([(each.a, each.b, each.t) for each in draws]).T
    assert len(set(zip(a, b, t, strict=True))) == len(draws) == golden["triples"]
    dist1, dist2 = np.array([each.distances for each in draws]).T
    gap, between = np.abs(a - b), (np.minimum(a, b) < t) & (t < np.maximum(a, b))
    expected = {
        "strictly_between": between,
        "at_first": t == a,
        "at_second": t == b,
        "outside": (t < np.minimum(a, b)) | (t > np.maximum(a, b)),
        "dist1_mean": dist1,
        "dist2_mean": dist2,
        "either_above_1": (dist1 > 1) | (dist2 > 1),
        "first_before_second": a < b,
        "target_mean": t,
        "reference_gap_mean": gap,
    }
    for name, values in expected.items():
        assert p @ values == pytest.approx(golden[name], abs=1e-4 if "target" in name else 1e-6), name
    for name, values, step in (
        ("first_reference_probabilities", a, 5),
        ("second_reference_probabilities", b, 5),
        ("target_probabilities_by_10", t, 10),
    ):
        assert np.bincount(values // step, p) == pytest.approx(golden[name], abs=1e-6), name


def test_the_first_five_objects_of_100_pixels_are_propagated_and_levels_are_truncated(tmp_path):
    labels = np.zeros((100, 100), np.uint8)
    for label, pixels in enumerate((99, 100, 400, 101, 150, 500, 900), start=1):
        labels.reshape(-1)[1000 * label : 1000 * label + pixels] = label
    assert chosen_objects(labels) == [2, 3, 4, 5, 6]
    write_frame(tmp_path, 7, [2], np.array([[[0.0, 0.999, 1.0, 254.99 / 255]]], np.float32))
    assert read_labels(tmp_path / "00002/00007.png").tolist() == [[0, 254, 255, 254]]


def test_the_attention_is_where_truth_and_propagated_mask_differ(generated, tree, network):
    videos = find_fusion_videos(generated.parent, tree / "JPEGImages", tree / "Annotations")
    sample = FusionDataset(videos, crop_size=96)[0]
    batch = {name: value[None] for name, value in sample.items() if name != "info"}
    attention = FrozenAttention(network)(batch)
    assert attention.shape == (1, 2, 2, 96, 96)
    assert attention.min() >= 0 and attention.max() <= 1
    same = FrozenAttention(network)({**batch, "was_b": batch["mask_b"]})
    assert not same.any()


def test_data_without_their_video_are_refused(generated, tree, tmp_path):
    with pytest.raises(InputError, match=r"v1 is missing or incomplete in "):
        find_fusion_videos(generated.parent, tmp_path, tree / "Annotations")
    message = refused(find_fusion_videos, tmp_path, tree / "JPEGImages", tree / "Annotations")
    assert "no data for fusion" in message
