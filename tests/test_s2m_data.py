import json

import numpy as np
import pytest

from dataset.image_io import denormalise
from dataset.interactive_training_sets import s2m_training_set
from dataset.mask_perturbation import TARGET_IOU, overlap, perturbed
from dataset.random_scribbles import rubbed_out, scribble, scribbles_by_robot, scribbles_on_error
from dataset.s2m_dataset import mistaken
from tests.training_trees import coloured, disc, seen_labels, write_jpeg, write_static
from util.errors import InputError

MASK = disc(120, 160, 80, 60, 40).astype(np.uint8)


def drawn_from(seed):
    return np.random.default_rng(seed)


def test_a_perturbed_mask_overlaps_less_than_it_may_and_no_draw_is_lost():
    results = [perturbed(MASK, drawn_from(seed)) for seed in range(40)]
    overlaps = [overlap(result, MASK) for result in results]
    assert max(overlaps) < TARGET_IOU[1]
    assert min(overlaps) > 0.1  # it stops as soon as it is bad enough
    assert np.ptp(overlaps) > 0.3
    grown = [result.sum() > MASK.sum() for result in results]
    assert 5 < sum(grown) < 35  # some are too large, some too small
    assert np.array_equal(perturbed(MASK, drawn_from(3)), results[3])
    assert not perturbed(np.zeros_like(MASK), drawn_from(0)).any()


@pytest.mark.parametrize("draw", [scribbles_on_error, scribbles_by_robot, scribble])
def test_scribbles_lie_on_the_error_and_cover_little_of_it(draw):
    error = MASK | np.roll(MASK[::-1], 30, axis=1)
    shares = []
    for seed in range(12):
        lines = draw(error, drawn_from(seed))
        assert not (lines & (1 - error)).any()
        shares.append(lines.sum() / error.sum())
    assert 0.005 < np.median(shares) < 0.4


def test_small_errors_are_left_alone_and_scribbles_rubbed_out_in_part():
    speck = np.zeros_like(MASK)
    speck[10:13, 20:23] = 1
    assert not any(scribbles_on_error(speck, drawn_from(seed)).any() for seed in range(10))
    lines = scribble(MASK, drawn_from(1))
    left = [rubbed_out(lines, drawn_from(seed)) for seed in range(20)]
    assert all(not (part & (1 - lines)).any() for part in left)
    assert 3 < sum((part != lines).any() for part in left) < 18


def test_mistakes_and_scribbles_are_on_the_right_side():
    other = disc(120, 160, 25, 30, 15).astype(np.uint8)
    with_previous = with_other = 0
    for seed in range(60):
        drawn = mistaken(MASK, other, drawn_from(seed))
        with_previous += drawn.previous.any()
        with_other += (drawn.previous & other).any() or (drawn.negative & other).any()
        assert not (drawn.positive & (1 - MASK)).any()
        assert not (drawn.negative & MASK).any()
    assert 28 < with_previous < 52  # two thirds
    assert with_other > 15


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Static pictures, and LVIS of one picture with three objects, one of them small."""
    static = tmp_path_factory.mktemp("static")
    for name in ("a", "b"):
        write_static(static / "ecssd", name)
    lvis = tmp_path_factory.mktemp("lvis")
    labels = np.zeros((200, 260), np.uint8)
    boxes = {1: (20, 30, 80, 90), 2: (140, 60, 90, 100), 3: (5, 5, 12, 12)}  # x, y, width, height
    annotations = []
    for label, (x, y, width, height) in boxes.items():
        labels[y : y + height, x : x + width] = label
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        one = {
            "id": label,
            "image_id": 7,
            "category_id": 1,
            "area": width * height,
            "bbox": [x, y, width, height],
        }
        annotations.append({**one, "segmentation": [corners], "iscrowd": 0})
    write_jpeg(lvis / "train2017/000000000007.jpg", coloured(labels))
    image = {"id": 7, "height": 200, "width": 260, "coco_url": "http://images/train2017/000000000007.jpg"}
    content = {"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "x"}]}
    (lvis / "lvis_v1_train.json").write_text(json.dumps(content))
    return static, lvis


def test_both_sources_make_samples_whose_truth_follows_the_picture(roots):
    dataset = s2m_training_set(*roots, crop_size=96, seed=1)
    assert len(dataset) == 2 * 2 + 2  # pictures twice, the objects that are large enough once
    for index in range(len(dataset)):
        sample, again = dataset[index], dataset[index]
        assert all((sample[name] == again[name]).all() for name in ("rgb", "seg", "srb", "gt"))
        assert sample["rgb"].shape == (3, 96, 96)
        assert [sample[name].shape[0] for name in ("seg", "srb", "gt")] == [1, 2, 1]
        assert sample["gt"].any() and sample["srb"].any()
        if sample["info"]["name"].startswith("0000"):
            colours = seen_labels(denormalise(sample["rgb"]))
            label = {4: 1, 5: 2}[index]
            agree = (colours == label) == (sample["gt"][0].numpy() == 1)
            assert agree.mean() > 0.9
    before = dataset[0]["rgb"]
    dataset.set_epoch(1)
    assert not (dataset[0]["rgb"] == before).all()


def test_missing_and_damaged_annotations_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="give static pictures at --static_root or LVIS"):
        s2m_training_set(tmp_path / "no", tmp_path / "none", 96, 0)
    (tmp_path / "train2017").mkdir()
    for text in ("{", "[]", '{"images": [], "annotations": [{}], "categories": []}'):
        (tmp_path / "lvis_v1_train.json").write_text(text)
        with pytest.raises(InputError, match="fetch it again"):
            s2m_training_set(None, tmp_path, 96, 0)
