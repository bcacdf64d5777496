import numpy as np
import pytest
from PIL import Image

from dataset.davis_test_dataset import davis_2017
from dataset.synthetic.demo_scene import ENTRY, FRAMES, HEIGHT, WIDTH
from tests.conftest import contents, read_png, run_main
from util.palette import voc_palette

VIDEO = "visitors"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The clip, made in two places."""
    places = [tmp_path_factory.mktemp("demo") / name for name in "ab"]
    with pytest.MonkeyPatch.context() as monkeypatch:
        for place in places:
            run_main(monkeypatch, "scripts.make_demo_clip", "--output", place)
    return places


def test_every_run_makes_the_same_files_in_the_layout_of_davis(made):
    first, second = map(contents, made)
    assert first == second
    assert set(first) == {
        "trainval/ImageSets/2017/val.txt",
        *(f"trainval/JPEGImages/480p/{VIDEO}/{index:05}.jpg" for index in range(FRAMES)),
        *(f"trainval/Annotations/480p/{VIDEO}/{index:05}.png" for index in range(FRAMES)),
        f"first_masks/{VIDEO}/00000.png",
        f"first_masks/{VIDEO}/{ENTRY:05}.png",
    }
    size = (WIDTH, HEIGHT)
    folders = made[0] / "trainval/JPEGImages/480p", made[0] / "trainval/Annotations/480p"
    assert {Image.open(path).size for folder in folders for path in (folder / VIDEO).iterdir()} == {size}


def test_two_objects_are_on_the_first_frame_and_one_enters_late(made):
    folder = made[0] / "trainval/Annotations/480p" / VIDEO
    masks = [Image.open(path) for path in sorted(folder.iterdir())]
    assert all(mask.mode == "P" and mask.getpalette() == voc_palette() for mask in masks)
    areas = np.array([np.bincount(np.asarray(mask).ravel(), minlength=4)[1:] for mask in masks])
    assert (areas[:, :2] > 4000).all()
    assert (areas[:ENTRY, 2] == 0).all()
    assert (areas[ENTRY:, 2] > 4000).all()

    (video,) = davis_2017(made[0], "val", late_objects=True)
    assert sorted(video.masks) == [0, ENTRY]
    for index, labels in ((0, {1, 2}), (ENTRY, {3})):
        given = read_png(made[0] / f"first_masks/{VIDEO}/{index:05}.png")
        assert set(np.unique(given)) == {0, *labels}
        assert np.array_equal(given, video.read(index).mask)
        truth = np.asarray(masks[index])
        assert np.array_equal(given, np.where(np.isin(truth, list(labels)), truth, 0))
