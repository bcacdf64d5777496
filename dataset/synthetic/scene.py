"""Synthetic videos with exact masks: objects bend, rotate and occlude each other over a moving background."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.synthetic.bending_object import Motion, Picture, Pose, SyntheticObject

Random = np.random.Generator

SHUTTER = 0.5  # exposure time as a share of the time between frames
BLUR_STEP = 2.5  # pixels of motion between two exposures of a frame
MAX_EXPOSURES = 7  # per frame
BACKGROUND_SIZE = 1.5  # relative to the frame, so that the camera can move


@dataclass(frozen=True)
class Rendered:
    """One frame."""

    picture: Picture  # H x W x 3, RGB
    labels: NDArray[np.uint8]  # H x W: 0 background, 1, 2, ... the objects


@dataclass(frozen=True)
class Camera:
    """The motion of the background: pan (in heights), zoom and rotation (radians)."""

    x: Motion
    y: Motion
    zoom: Motion
    turn: Motion


@dataclass(frozen=True)
class Lighting:
    """A light that moves, changes in strength and colour, and is uneven over the scene."""

    x: Motion
    y: Motion
    strength: Motion
    warmth: Motion
    spot: float  # how uneven, 0 to 1


@dataclass(frozen=True)
class Scene:
    """The content of a video."""

    height: int
    width: int
    objects: list[SyntheticObject]
    background: Picture
    camera: Camera
    lighting: Lighting
    grain: NDArray[np.int16]


def render_frame(scene: Scene, index: int, random: Random) -> Rendered:
    """Render a frame as the average of several exposures, with the masks of the middle one."""
    height, width = scene.height, scene.width
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
        size = scene.height, scene.width
        poses: list[Pose] = [thing.pose(time, *size) for thing in scene.objects]
        return np.stack([pose.corners for pose in poses])

    travelled = np.linalg.norm(corners(last) - corners(first), axis=-1).max()
    half = int(np.clip(np.ceil(travelled / BLUR_STEP / 2), 0, MAX_EXPOSURES // 2))
    return [index + SHUTTER * step / (2 * half + 1) for step in range(-half, half + 1)]


def _background(scene: Scene, time: float) -> Picture:
    height, width = scene.height, scene.width
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
    height, width = scene.height, scene.width
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
