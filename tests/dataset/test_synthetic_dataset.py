import shutil

import numpy as np

from dataset.image_io import read_image
from dataset.masks.readers import read_label_map
from dataset.training.sets import stage_dataset
from tests.conftest import run_script
from tests.training.training_trees import coloured, write_jpeg

SMALL = ("--frames", 5, "--height", 96, "--width", 160)


def make(output, *flags):
    return run_script("-m", "scripts.make_synthetic_dataset", "--output", output, *SMALL, *flags)


def contents(root):
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


def test_a_set_is_the_same_whoever_makes_it_and_however_often_it_is_stopped(tmp_path):
    pictures = tmp_path / "pictures" / "inner"
    for index in range(3):
        write_jpeg(pictures / f"{index}.jpg", coloured(np.full((60, 90), index)))
    flags = ("--pictures", tmp_path / "pictures", "--seed", 5)
    done = make(tmp_path / "a", *flags, "--videos", 3, "--workers", 2)
    assert "15 frames" in done.stdout
    made = contents(tmp_path / "a")
    assert [name for name in made if "/" in name] == [
        f"{kind}/{video:06}/{frame:05}.{suffix}"
        for kind, suffix in (("Annotations", "png"), ("JPEGImages", "jpg"))
        for video in range(3)
        for frame in range(5)
    ]

    # stopped after one video and in the middle of another, and continued by other workers
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for unfinished in ("JPEGImages", "Annotations"):
        shutil.rmtree(tmp_path / "b" / unfinished / "000001")
        (tmp_path / "b" / unfinished / "000002").rename(tmp_path / "b" / unfinished / ".000002")
    (tmp_path / "b/Annotations/000001").mkdir()
    (tmp_path / "b/Annotations/000001/00009.png").write_bytes(b"half a file")
    stamp = (tmp_path / "b/JPEGImages/000000/00000.jpg").stat().st_mtime_ns
    done = make(tmp_path / "b", *flags, "--videos", 3, "--workers", 1)
    assert "1 of 3 videos are there already" in done.stdout
    assert contents(tmp_path / "b") == made
    assert (tmp_path / "b/JPEGImages/000000/00000.jpg").stat().st_mtime_ns == stamp

    dataset = stage_dataset(1, bl_root=tmp_path / "a", crop_size=64)
    assert len(dataset) == 3
    samples = [dataset[index] for index in range(3)]
    assert any(sample["gt"].any() for sample in samples)
    assert samples[0]["rgb"].shape == (3, 3, 64, 64)
    labels = read_label_map(tmp_path / "a/Annotations/000000/00000.png")
    assert labels.shape == (96, 160) == read_image(tmp_path / "a/JPEGImages/000000/00000.jpg").shape[:2]
