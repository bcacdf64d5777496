"""Synthetic videos with exact masks: objects bend, rotate and occlude each other over a moving background."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.synthetic.bending_object import Pose, SyntheticObject, Wander, padded_normals, random_outline
from dataset.synthetic.textures import Picture, Random, TextureSource

SWING = (110, 320)  # limits of an object's period of motion, in frames
SHUTTER = 0.5  # exposure time as a share of the time between frames
BLUR_STEP = 2.5  # pixels of motion between two exposures of a frame
MAX_EXPOSURES = 7  # per frame
BACKGROUND_SIZE = 1.5  # relative to the frame, so that the camera can move
LOOKALIKE_CHANCE = 0.15  # that an object has the texture of the one before
GRAIN = 3.0  # standard deviation of the sensor's noise


@dataclass(frozen=True)
class VideoSettings:
    """Settings that all videos of a set share."""

    frames: int = 60
    height: int = 480
    width: int = 854
    objects: tuple[int, int] = (3, 6)  # fewest and most


@dataclass(frozen=True)
class Rendered:
    """One frame."""

    picture: Picture  # H x W x 3, RGB
    labels: NDArray[np.uint8]  # H x W: 0 background, 1, 2, ... the objects


@dataclass(frozen=True)
class Camera:
    """The motion of the background: pan (in heights), zoom and rotation (radians)."""

    x: Wander
    y: Wander
    zoom: Wander
    turn: Wander


@dataclass(frozen=True)
class Lighting:
    """A light that moves, changes in strength and colour, and is uneven over the scene."""

    x: Wander
    y: Wander
    strength: Wander
    warmth: Wander
    spot: float  # how uneven, 0 to 1


@dataclass(frozen=True)
class Scene:
    """The content of a video."""

    settings: VideoSettings
    objects: list[SyntheticObject]
    background: Picture
    camera: Camera
    lighting: Lighting
    grain: NDArray[np.int16]


def random_scene(random: Random, settings: VideoSettings, textures: TextureSource) -> Scene:
    """Draw objects, background, camera and lighting."""
    height, width = settings.height, settings.width
    background = textures.draw(random, round(height * BACKGROUND_SIZE), round(width * BACKGROUND_SIZE))
    objects: list[SyntheticObject] = []
    for _ in range(random.integers(settings.objects[0], settings.objects[1] + 1)):
        lookalike = objects[-1].colour if objects and random.random() < LOOKALIKE_CHANCE else None
        objects.append(_random_object(random, settings, textures, lookalike))
    camera = Camera(
        Wander.draw(random, 0, 0.2, 150),
        Wander.draw(random, 0, 0.1, 150),
        Wander.draw(random, 1.12, 0.1, 160),
        Wander.draw(random, 0, 0.08, 140),
    )
    lighting = Lighting(
        Wander.draw(random, random.uniform(-0.8, 0.8), 0.6, 90),
        Wander.draw(random, random.uniform(-0.8, 0.2), 0.6, 90),
        Wander.draw(random, 1.05, 0.2, 70),
        Wander.draw(random, 0, 0.06, 110),
        random.uniform(0, 0.5),
    )
    # one noise image, from which each frame takes another part
    grain = np.round(random.normal(scale=GRAIN, size=(height + 64, width + 64, 1))).astype(np.int16)
    return Scene(settings, objects, background, camera, lighting, np.repeat(grain, 3, axis=2))


def render(scene: Scene, random: Random) -> Iterator[Rendered]:
    """Yield the frames of a video in order."""
    for index in range(scene.settings.frames):
        yield _render_frame(scene, index, random)


def _random_object(
    random: Random, settings: VideoSettings, textures: TextureSource, lookalike: Picture | None
) -> SyntheticObject:
    radius = random.uniform(0.3, 0.85)
    aspect = settings.width / settings.height
    # about one texel per pixel, so that neither is much finer than the other
    size = int(np.clip(radius * settings.height * 1.15, 48, 512)) // 2 * 2
    alpha = random_outline(random, size)
    colour = textures.draw(random, size, size) if lookalike is None else cv2.resize(lookalike, (size, size))
    spin = random.uniform(-0.02, 0.02)  # radians per frame
    paths = (
        Wander.draw(random, random.uniform(-0.6, 0.6) * aspect, 0.6 * aspect, random.uniform(*SWING)),
        Wander.draw(random, random.uniform(-0.45, 0.45), 0.6, random.uniform(*SWING)),
        Wander.draw(random, random.uniform(0.9, 1.3), 0.35, random.uniform(*SWING)),
        Wander.draw(random, random.uniform(0, 2 * np.pi), 0.6, random.uniform(*SWING), drift=spin),
        Wander.draw(random, 0, 0.9, random.uniform(*SWING)),
        Wander.draw(random, 0, 0.9, random.uniform(*SWING)),
    )
    count = 3
    angles = random.uniform(0, 2 * np.pi, size=count)
    lengths = random.uniform(1.2, 3.5, size=count)
    bends = np.column_stack(
        (
            lengths * np.cos(angles),
            lengths * np.sin(angles),
            random.normal(scale=0.05, size=(count, 2)),
            random.uniform(0.05, 0.25, size=count),
            random.uniform(0, 2 * np.pi, size=count),
        )
    )
    return SyntheticObject(colour, alpha, padded_normals(alpha, random), radius, paths, bends)


def _render_frame(scene: Scene, index: int, random: Random) -> Rendered:
    """Render a frame as the average of several exposures, with the masks of the middle one."""
    height, width = scene.settings.height, scene.settings.width
    times = _exposures(scene, index)
    light = np.array([scene.lighting.x(index), scene.lighting.y(index), -1.0])
    light /= np.linalg.norm(light)
    textures = [thing.lit(thing.pose(index, height, width).turn, light) for thing in scene.objects]
    total = np.zeros((height, width, 3), np.float32)
    labels = np.zeros((height, width), np.uint8)
    for time in times:
        picture = _background(scene, time)
        poses = [thing.pose(time, height, width) for thing in scene.objects]
        for number in sorted(range(len(poses)), key=lambda i: -poses[i].depth):
            drawn = scene.objects[number].draw_into(picture, textures[number], poses[number], time)
            if drawn is not None and time == index:
                region, opacity = drawn
                labels[region][opacity > 127] = number + 1
        cv2.accumulate(picture, total)
    total /= len(times)
    return Rendered(_developed(scene, total, index, random), labels)


def _exposures(scene: Scene, index: int) -> list[float]:
    """Return the points in time of a frame's exposures: an odd number, which grows with the speed."""
    first, last = index - SHUTTER / 2, index + SHUTTER / 2

    def corners(time: float) -> NDArray[np.float64]:
        size = scene.settings.height, scene.settings.width
        poses: list[Pose] = [thing.pose(time, *size) for thing in scene.objects]
        return np.stack([pose.corners for pose in poses])

    travelled = np.linalg.norm(corners(last) - corners(first), axis=-1).max()
    half = int(np.clip(np.ceil(travelled / BLUR_STEP / 2), 0, MAX_EXPOSURES // 2))
    return [index + SHUTTER * step / (2 * half + 1) for step in range(-half, half + 1)]


def _background(scene: Scene, time: float) -> Picture:
    height, width = scene.settings.height, scene.settings.width
    rows, columns = scene.background.shape[:2]
    zoom, turn = scene.camera.zoom(time), scene.camera.turn(time)
    # maps the frame to the background's picture
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / zoom
    pan = np.array([scene.camera.x(time), scene.camera.y(time)]) * height
    offset = np.array([columns / 2, rows / 2]) + pan - linear @ np.array([width / 2, height / 2])
    return cv2.warpAffine(
        scene.background,
        np.column_stack((linear, offset)),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def _developed(scene: Scene, exposed: NDArray[np.float32], index: int, random: Random) -> Picture:
    """Apply the light's strength, colour and unevenness, and add grain."""
    height, width = scene.settings.height, scene.settings.width
    lighting = scene.lighting
    y, x = np.mgrid[-1:1:12j, -1:1:20j].astype(np.float32)
    distance = (x - lighting.x(index)) ** 2 + (y - lighting.y(index)) ** 2
    fall = 1 - lighting.spot * (1 - np.exp(-distance / 1.5))
    warmth = lighting.warmth(index)
    colours = lighting.strength(index) * np.array([1 + warmth, 1, 1 - warmth])
    field = (fall[..., None] * colours).astype(np.float32)
    lit = cv2.multiply(exposed, cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR))
    top, left = random.integers(64, size=2)
    grain = np.ascontiguousarray(scene.grain[top : top + height, left : left + width])
    return cv2.add(lit, grain, dtype=cv2.CV_8U)
