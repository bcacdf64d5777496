import json

import numpy as np
import pytest

from dataset.image_io import denormalise
from dataset.training.interactive_sets import s2m_training_set
from tests.conftest import refused
from tests.training.training_trees import coloured, seen_labels, write_jpeg, write_static
from util.errors import InputError


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Static pictures, and LVIS of one picture with three objects; one is just too small to be learnt."""
    static = tmp_path_factory.mktemp("static")
    for name in ("a", "b"):
        write_static(static / "ecssd", name)
    lvis = tmp_path_factory.mktemp("lvis")
    labels = np.zeros((200, 260), np.uint8)
    boxes = {1: (20, 30, 80, 90), 2: (140, 60, 90, 100), 3: (0, 140, 50, 50)}  # x, y, width, height
    annotations = []
    for label, (x, y, width, height) in boxes.items():
        labels[y : y + height, x : x + width] = label
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        one = {"id": label, "image_id": 7, "category_id": 1, "area": width * height, "iscrowd": 0}
        annotations.append({**one, "bbox": [x, y, width, height], "segmentation": [corners]})
    write_jpeg(lvis / "train2017/000000000007.jpg", coloured(labels))
    image = {"id": 7, "height": 200, "width": 260, "coco_url": "http://images/train2017/000000000007.jpg"}
    content = {"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "x"}]}
    (lvis / "lvis_v1_train.json").write_text(json.dumps(content))
    return static, lvis


def test_samples_of_both_sources_have_ground_truth_aligned_with_the_picture(roots):
    dataset = s2m_training_set(*roots, crop_size=96, seed=1)
    assert len(dataset) == 2 * 2 + 2  # pictures twice, the objects that are large enough once
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample["rgb"].shape == (3, 96, 96)
        assert [sample[name].shape[0] for name in ("seg", "srb", "gt")] == [1, 2, 1]
        assert sample["gt"].any() and sample["srb"].any()  # in these pictures no crop can miss the object
        if sample["info"]["name"].startswith("0000"):
            seen = seen_labels(denormalise(sample["rgb"])) == index - 3  # samples 4 and 5 are objects 1 and 2
            assert (seen == sample["gt"][0].bool().numpy()).mean() > 0.9
    before = dataset[0]["rgb"]
    dataset.set_epoch(1)
    assert not (dataset[0]["rgb"] == before).all()


def test_missing_and_damaged_annotations_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="give static pictures at --static_root or LVIS"):
        s2m_training_set(tmp_path / "no", tmp_path / "none", 96, 0)
    (tmp_path / "train2017").mkdir()
    for text in ("{", "[]", '{"images": [], "annotations": [{}], "categories": []}'):
        (tmp_path / "lvis_v1_train.json").write_text(text)
        assert "fetch it again" in refused(s2m_training_set, None, tmp_path, 96, 0)
