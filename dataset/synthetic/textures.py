"""Textures of synthetic objects and backgrounds: parts of real pictures, or procedural patterns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.image_io import read_image

Random = np.random.Generator
Picture = NDArray[np.uint8]

PROCEDURAL_SHARE = 0.25  # of the textures, when there are pictures
SMALLEST_PART = 0.35  # smallest share of a picture's width and height in a texture


@dataclass(frozen=True)
class TextureSource:
    """Draws textures from pictures and procedural ones, or only procedural ones without pictures."""

    pictures: Sequence[Path] = ()

    def draw(self, random: Random, height: int, width: int) -> Picture:
        """Return an RGB texture `height x width x 3`."""
        if not self.pictures or random.random() < PROCEDURAL_SHARE:
            return procedural_texture(random, height, width)
        path = self.pictures[int(random.integers(len(self.pictures)))]
        return part_of(read_image(path, short_side=min(height, width)), random, height, width)


def part_of(picture: Picture, random: Random, height: int, width: int) -> Picture:
    """Cut a random part of a given aspect ratio out of a picture, mirror it at random, and resize it."""
    rows, columns = picture.shape[:2]
    largest = min(rows / height, columns / width)
    scale = largest * random.uniform(SMALLEST_PART, 1)
    part_rows, part_columns = max(1, int(height * scale)), max(1, int(width * scale))
    top = random.integers(rows - part_rows + 1)
    left = random.integers(columns - part_columns + 1)
    part = picture[top : top + part_rows, left : left + part_columns]
    if random.random() < 0.5:
        part = part[:, ::-1]
    shrinks = part_rows > height
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=interpolation)


def procedural_texture(random: Random, height: int, width: int) -> Picture:
    """Draw a pattern (clouds, stripes, checks or scales, all warped) in a few random colours, with grain."""
    pattern = _PATTERNS[random.integers(len(_PATTERNS))](random, height, width)
    steps = np.linspace(0, 255, int(random.integers(3, 7)))
    colours = random.integers(10, 246, size=(len(steps), 3))
    ramp = np.stack([np.interp(np.arange(256), steps, colour) for colour in colours.T], -1)
    indices = np.clip(pattern * 255, 0, 255).astype(np.uint8)
    picture = ramp.astype(np.float32)[indices]
    picture *= 0.8 + 0.4 * noise(random, height, width, 24, octaves=5)[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def noise(random: Random, height: int, width: int, cells: int, octaves: int) -> NDArray[np.float32]:
    """Return smooth noise in [0, 1], `height x width`, whose coarsest bumps are 1 / `cells` of the height.

    Each octave has half the size and 0.6 of the strength of the one before.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        rows = cells << octave
        if rows > height:
            break
        columns = max(2, round(rows * width / height))
        grid = random.random((rows + 1, columns + 1), dtype=np.float32)
        total += 0.6**octave * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(total, None, 0, 1, cv2.NORM_MINMAX)


def _coordinates(random: Random, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return rotated and warped coordinates; the height is 1."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / np.float32(height)
    angle = random.uniform(0, np.pi)
    bend = random.uniform(0.05, 0.3)
    x = x + np.float32(bend) * noise(random, height, width, 2, 2)
    y = y + np.float32(bend) * noise(random, height, width, 2, 2)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x - sin * y, sin * x + cos * y


def _clouds(random: Random, height: int, width: int) -> NDArray[np.float32]:
    return noise(random, height, width, int(random.integers(2, 8)), 6)


def _stripes(random: Random, height: int, width: int) -> NDArray[np.float32]:
    across, _ = _coordinates(random, height, width)
    return 0.5 + 0.5 * np.sin(across * np.float32(2 * np.pi * random.uniform(3, 14)))


def _checks(random: Random, height: int, width: int) -> NDArray[np.float32]:
    across, along = _coordinates(random, height, width)
    count = np.float32(np.pi * random.uniform(3, 10))
    return 0.5 + 0.5 * np.tanh(4 * np.sin(across * count) * np.sin(along * count))


def _scales(random: Random, height: int, width: int) -> NDArray[np.float32]:
    """Return the distance to the nearest of scattered points."""
    scattered = np.full((height, width), 255, np.uint8)
    count = int(random.integers(20, 150))
    scattered[random.integers(height, size=count), random.integers(width, size=count)] = 0
    distance = cv2.distanceTransform(scattered, cv2.DIST_L2, cv2.DIST_MASK_5)
    return cv2.normalize(distance, None, 0, 1, cv2.NORM_MINMAX)


_PATTERNS = (_clouds, _stripes, _checks, _scales)
