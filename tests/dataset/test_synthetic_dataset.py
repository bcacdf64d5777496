import dataclasses
import shutil
from itertools import pairwise

import numpy as np
import pytest
import torch

from dataset.image_io import read_image
from dataset.masks.readers import read_label_map
from dataset.synthetic.bending_object import Wander
from dataset.synthetic.scene import VideoSettings, _exposures, random_scene, render
from dataset.synthetic.textures import TextureSource, procedural_texture
from dataset.training.sets import stage_dataset
from scripts.make_synthetic_dataset import find_pictures
from tests.conftest import run_script
from tests.training.training_trees import coloured, write_jpeg
from util.errors import InputError
from util.settings_record import record_settings

SMALL = ("--frames", 5, "--height", 96, "--width", 160)
STILL = Wander(0, 0, np.zeros((1, 3)))


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


def test_masks_are_exact():
    """Objects of pure colours, at rest, in even light: the picture tells which object is where."""
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)], np.uint8)
    covered = 0
    for seed in range(6):
        random = np.random.default_rng(seed)
        scene = random_scene(random, VideoSettings(1, 180, 320, (4, 4)), TextureSource())
        objects = []
        for thing, colour in zip(scene.objects, colours[1:], strict=True):
            paths = tuple(Wander(path(0), 0, np.zeros((1, 3))) for path in thing.paths)
            bends = thing.bends * [1, 1, 1, 1, 0, 1]
            flat = np.broadcast_to(colour, thing.colour.shape).copy()
            objects.append(dataclasses.replace(thing, colour=flat, paths=paths, bends=bends))
        still = dataclasses.replace(STILL, middle=1)
        lighting = dataclasses.replace(scene.lighting, strength=still, warmth=STILL, spot=0)
        scene = dataclasses.replace(
            scene,
            objects=objects,
            lighting=lighting,
            background=np.zeros_like(scene.background),
            grain=np.zeros_like(scene.grain),
        )
        assert len(_exposures(scene, 0)) == 1
        frame = next(render(scene, random))
        # gloss adds the same to each channel; shade scales them
        hue = frame.picture.astype(int) - frame.picture.min(-1, keepdims=True)
        strength = hue.max(-1)
        seen = np.zeros_like(frame.labels)
        for label, colour in enumerate(colours[1:], 1):
            seen[(strength > 0) & ((hue > strength[..., None] // 2) == (colour > 0)).all(-1)] = label
        different = seen != frame.labels
        # only along outlines, where a pixel is part object and part what is behind it
        edge = np.zeros_like(different)
        for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            edge |= np.roll(frame.labels, shift, (0, 1)) != frame.labels
            edge |= np.roll(frame.labels, (2 * shift[0], 2 * shift[1]), (0, 1)) != frame.labels
        assert (different & ~edge).sum() <= 0.001 * (frame.labels > 0).sum()
        alone = [
            next(render(dataclasses.replace(scene, objects=[one]), random)).labels > 0 for one in objects
        ]
        covered += (np.sum(alone, 0) > 1).sum()
        nearest = np.array([one.paths[2](0) for one in objects])
        for label, mask in enumerate(alone, 1):
            nearer = [other for i, other in enumerate(alone) if nearest[i] < nearest[label - 1]]
            expected = mask & ~np.any(nearer, axis=0) if nearer else mask
            assert (expected == (frame.labels == label)).all()
    assert covered > 500  # they do cover each other


def test_things_move_smoothly_blur_and_change_in_light():
    steady, far, moments = [], [], []
    for seed in range(4):
        random = np.random.default_rng(seed)
        scene = random_scene(random, VideoSettings(24, 120, 214, (3, 4)), TextureSource())
        frames = list(render(scene, random))
        moments += [len(_exposures(scene, index)) for index in range(24)]
        for label in range(1, len(scene.objects) + 1):
            masks = [frame.labels == label for frame in frames]
            if min(mask.sum() for mask in masks) < 100:
                continue
            steady += [overlap(a, b) for a, b in pairwise(masks)]
            far.append(overlap(masks[0], masks[-1]))
        brightness = [frame.picture.mean() for frame in frames]
        assert max(brightness) - min(brightness) > 1
    assert len(far) >= 5
    assert np.mean(steady) > 0.75
    assert np.mean(far) < 0.5
    assert set(moments) <= {1, 3, 5, 7}
    assert max(moments) > 1


def overlap(first, second) -> float:
    return float((first & second).sum() / (first | second).sum())


def test_textures_come_from_the_pictures(tmp_path):
    write_jpeg(tmp_path / "one.jpg", coloured(np.ones((50, 80), np.uint8)))
    source = TextureSource([tmp_path / "one.jpg"])
    drawn = [source.draw(np.random.default_rng(seed), 40, 60) for seed in range(40)]
    assert all(texture.shape == (40, 60, 3) for texture in drawn)
    from_picture = [abs(texture.mean((0, 1)) - (230, 60, 30)).max() < 3 for texture in drawn]
    assert 20 <= sum(from_picture) < 40
    patterns = np.stack([procedural_texture(np.random.default_rng(seed), 40, 60) for seed in range(8)])
    assert torch.from_numpy(patterns.reshape(8, -1)).float().std(1).min() > 5


def test_a_set_is_not_continued_with_other_settings(tmp_path):
    record_settings(tmp_path, {"seed": 5, "objects": (3, 6)}, "give the same, or another --output.")
    record_settings(tmp_path, {"seed": 5, "objects": (3, 6)}, "give the same, or another --output.")
    with pytest.raises(InputError, match=r"another seed \(5, now 6\): give the same, or another --output"):
        record_settings(tmp_path, {"seed": 6, "objects": (3, 6)}, "give the same, or another --output.")
    record_settings(tmp_path, {"seed": 5, "objects": (3, 6)}, "give the same, or another --output.")


def test_a_folder_without_pictures_is_an_error(tmp_path):
    with pytest.raises(InputError, match="holds no picture: give a folder of pictures, or leave it out"):
        find_pictures(tmp_path / "nothing")
