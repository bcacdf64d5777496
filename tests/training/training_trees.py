"""Tiny training data in the real layouts."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.conftest import write_labels

BACKGROUND = (30, 40, 220)
COLOURS = {1: (230, 60, 30), 2: (40, 220, 60), 3: (240, 240, 40)}


def coloured(labels) -> np.ndarray:
    """A picture whose colours tell the labels: 1 is red, 2 green, 3 yellow, the background blue."""
    picture = np.full((*labels.shape, 3), BACKGROUND, np.uint8)
    for label, colour in COLOURS.items():
        picture[labels == label] = colour
    return picture


def write_jpeg(path: Path, picture) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=98, subsampling=0)


def disc(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < radius**2


def write_static(folder: Path, name: str, height: int = 150, width: int = 200) -> None:
    """One red disc off the middle, in a picture with a red corner cut into it so that flips show."""
    mask = disc(height, width, 0.4 * width, 0.55 * height, 0.3 * height)
    mask |= disc(height, width, 0.6 * width, 0.3 * height, 0.15 * height)
    write_jpeg(folder / f"{name}.jpg", coloured(mask.astype(np.uint8)))
    write_labels(folder / f"{name}.png", mask * np.uint8(255), paletted=False)


def write_video(
    images: Path,
    masks: Path,
    name: str,
    labels: tuple[int, ...] = (1, 2),
    frames: int = 8,
    step: int = 1,
    scale: float = 1,
) -> None:
    """Discs that move to the right, a label each."""
    height, width = round(120 * scale), round(214 * scale)
    for index in range(frames):
        label_map = np.zeros((height, width), np.uint8)
        for number, label in enumerate(labels):
            x, y, radius = 60 + 60 * number + 3 * index, 35 + 40 * number, 24
            label_map[disc(height, width, x * scale, y * scale, radius * scale)] = label
        write_jpeg(images / name / f"{index * step:05}.jpg", coloured(label_map))
        write_labels(masks / name / f"{index * step:05}.png", label_map)


def write_davis_train(root: Path, *names: str, **options) -> None:
    """Videos in the layout of DAVIS, listed for training."""
    for name in names:
        write_video(root / "JPEGImages/480p", root / "Annotations/480p", name, **options)
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/train.txt").write_text("\n".join(names))


def seen_labels(picture) -> np.ndarray:
    """Tell the labels from the colours of a changed picture: 1 red, 2 green, 3 yellow, else 0."""
    red, green, blue = (picture[..., i].astype(int) for i in range(3))
    seen = np.zeros(picture.shape[:2], np.int64)
    seen[(red > blue + 60) & (red > green + 60)] = 1
    seen[(green > blue + 60) & (green > red + 60)] = 2
    seen[(red > blue + 60) & (green > blue + 60) & (abs(red - green) <= 60)] = 3
    return seen
