"""Synthetic videos with exact masks: objects bend, rotate and occlude each other over a moving background.

Lengths of a scene are in half heights of the frame unless stated, and times in frames.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Motion = Callable[[float], float]  # a quantity as a function of the time
Picture = NDArray[np.uint8]

FOCAL = 2.5  # focal length; a smaller one gives a stronger perspective
GRID = 8  # pixels between the points where the smooth map from frame to texture is computed
REACH = 1.2  # extent of a bent object relative to its square
SHUTTER = 0.5  # exposure time as a share of the time between frames
BLUR_STEP = 2.5  # pixels of motion between two exposures of a frame
MAX_EXPOSURES = 7  # most exposures of a frame
BACKGROUND_SIZE = 1.5  # size relative to the frame, so that the camera can move
UNEVEN = 0.2  # share of the light that is lost far from the middle of the light
GRAIN_MARGIN = 64  # pixels by which the grain is larger than the frame: each frame shows another part


@dataclass(frozen=True)
class Pose:
    """The position and rotation of an object at one point in time."""

    to_frame: NDArray[np.float64]  # 3 x 3 homography from the object's square [-1, 1]^2 to pixels (x, y)
    turn: NDArray[np.float64]  # 3 x 3 rotation, object to camera
    depth: float
    corners: NDArray[np.float64]  # 4 x 2 pixels, with a margin for bending


@dataclass(frozen=True)
class SyntheticObject:
    """A textured, bending sheet, which moves and rotates in space."""

    colour: Picture  # n x n x 3 texture
    alpha: Picture  # n x n opacity of the outline
    radius: float  # radius at depth 1
    paths: tuple[Motion, ...]  # x, y (from the middle), depth, roll, pitch, yaw (radians)
    bends: NDArray[np.float64]  # k x 6 waves: direction x, y, shift x, y, radians per frame, phase

    def pose(self, time: float, height: int, width: int) -> Pose:
        """Project the object's square at a point in time into a frame of `height` and `width` pixels."""
        x, y, depth, roll, pitch, yaw = (path(time) for path in self.paths)
        turn = _rotation(roll, 2) @ _rotation(pitch, 0) @ _rotation(yaw, 1)
        half = height / 2
        camera = np.array([[FOCAL * half, 0, width / 2], [0, FOCAL * half, half], [0, 0, 1]])
        place = depth * np.array([x, y, FOCAL])
        # the first two axes of the rotated square, and its centre
        to_frame = camera @ np.column_stack((turn[:, :2] * self.radius, place))
        square = REACH * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
        return Pose(to_frame, turn, depth, _apply(to_frame, square))

    def lit(self, turn: NDArray[np.float64], light: NDArray[np.float64]) -> Picture:
        """Return the texture under a light from direction `light` (camera's axes), multiplied by its opacity.

        Returns:
            n x n x 4, red, green, blue (multiplied by opacity) and opacity.
        """
        facing = -(turn.T @ light).astype(np.float32)[2]
        brightness = np.float32(0.55) + np.float32(0.55) * np.maximum(facing, 0)
        shade = brightness * (self.alpha * np.float32(1 / 255))
        gloss = np.float32(70) * np.maximum(brightness - np.float32(0.95), 0) * 4
        gloss = gloss * (self.alpha * np.float32(1 / 255))
        colour = cv2.multiply(self.colour, cv2.merge([shade] * 3), dtype=cv2.CV_32F)
        colour = cv2.add(colour, cv2.merge([gloss] * 3))
        ceiling = cv2.merge([self.alpha] * 3)  # colours are multiplied by the opacity
        return np.dstack((cv2.min(cv2.convertScaleAbs(colour), ceiling), self.alpha))

    def draw_into(
        self, frame: Picture, texture: Picture, pose: Pose, time: float
    ) -> tuple[tuple[slice, slice], NDArray[np.uint8]] | None:
        """Draw the object over a frame `H x W x 3`, in place.

        Returns:
            The part of the frame that it covers and its opacity there, or None when it is not visible.
        """
        height, width = frame.shape[:2]
        left, top = np.maximum(np.floor(pose.corners.min(0)).astype(int), 0)
        right, bottom = np.minimum(np.ceil(pose.corners.max(0)).astype(int), (width, height))
        if right - left < 2 or bottom - top < 2:
            return None
        maps = self._texture_maps(pose, time, (left, top, right, bottom))
        layer = cv2.remap(texture, maps, None, cv2.INTER_LINEAR)
        opacity = cv2.extractChannel(layer, 3)
        region = slice(top, bottom), slice(left, right)
        clear = cv2.merge([cv2.bitwise_not(opacity)] * 3)
        behind = cv2.multiply(frame[region], clear, scale=1 / 255)
        frame[region] = cv2.add(behind, cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB))
        return region, opacity

    def _texture_maps(self, pose: Pose, time: float, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
        """Return the texture coordinates (x, y) of each pixel of a box, `rows x columns x 2`."""
        left, top, right, bottom = box
        columns, rows = -(-(right - left) // GRID) + 2, -(-(bottom - top) // GRID) + 2
        # the centre of each GRID x GRID block, with a block around, so that nothing is extrapolated
        x = left + GRID * (np.arange(columns) - 1) + (GRID - 1) / 2
        y = top + GRID * (np.arange(rows) - 1) + (GRID - 1) / 2
        nodes = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
        places = _apply(np.linalg.inv(pose.to_frame), nodes)
        direction, shift, speed, phase = np.split(self.bends, (2, 4, 5), axis=1)
        places = places + np.sin(places @ direction.T + (speed * time + phase).T) @ shift
        size = self.alpha.shape[0]
        grid = ((places + 1) / 2 * size - 0.5).astype(np.float32).reshape(rows, columns, 2)
        full = cv2.resize(grid, (columns * GRID, rows * GRID), interpolation=cv2.INTER_LINEAR)
        return full[GRID : GRID + bottom - top, GRID : GRID + right - left]


@dataclass(frozen=True)
class Scene:
    """The content of a video."""

    height: int
    width: int
    objects: list[SyntheticObject]
    background: Picture
    camera: tuple[Motion, ...]  # pan x, y (in heights), zoom and rotation (radians)
    light: tuple[Motion, ...]  # x, y, strength and warmth
    grain: NDArray[np.int16]

    def poses(self, time: float) -> list[Pose]:
        """Return the poses of all objects."""
        return [thing.pose(time, self.height, self.width) for thing in self.objects]


def render_frame(scene: Scene, index: int, random: np.random.Generator) -> tuple[Picture, NDArray[np.uint8]]:
    """Render a frame as the average of several exposures, with the labels of the middle one.

    Returns:
        RGB picture `H x W x 3`, and label map `H x W`: 0 background, 1, 2, ... the objects.
    """
    light = np.array([scene.light[0](index), scene.light[1](index), -1.0])
    light /= np.linalg.norm(light)
    textures = [
        thing.lit(pose.turn, light) for thing, pose in zip(scene.objects, scene.poses(index), strict=True)
    ]
    total = np.zeros((scene.height, scene.width, 3), np.float32)
    labels = np.zeros((scene.height, scene.width), np.uint8)
    times = _exposures(scene, index)
    for time in times:
        picture, poses = _background(scene, time), scene.poses(time)
        for number in sorted(range(len(poses)), key=lambda i: -poses[i].depth):
            drawn = scene.objects[number].draw_into(picture, textures[number], poses[number], time)
            if drawn is not None and time == index:
                region, opacity = drawn
                labels[region][opacity > 127] = number + 1
        cv2.accumulate(picture, total)
    total /= len(times)
    return _developed(scene, total, index, random), labels


def _exposures(scene: Scene, index: int) -> list[float]:
    """Return the points in time of a frame's exposures: an odd number, which grows with the speed."""
    first, last = (
        np.stack([pose.corners for pose in scene.poses(index + side * SHUTTER / 2)]) for side in (-1, 1)
    )
    travelled = np.linalg.norm(last - first, axis=-1).max()
    half = int(np.clip(np.ceil(travelled / BLUR_STEP / 2), 0, MAX_EXPOSURES // 2))
    return [index + SHUTTER * step / (2 * half + 1) for step in range(-half, half + 1)]


def _background(scene: Scene, time: float) -> Picture:
    height, width = scene.height, scene.width
    rows, columns = scene.background.shape[:2]
    x, y, zoom, turn = (motion(time) for motion in scene.camera)
    # maps the frame to the background's picture
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / zoom
    offset = np.array([columns / 2, rows / 2]) + np.array([x, y]) * height
    offset = offset - linear @ np.array([width / 2, height / 2])
    return cv2.warpAffine(
        scene.background,
        np.column_stack((linear, offset)),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def _developed(
    scene: Scene, exposed: NDArray[np.float32], index: int, random: np.random.Generator
) -> Picture:
    """Apply the light, which is uneven over the frame and changes in strength and colour; add grain."""
    height, width = scene.height, scene.width
    light_x, light_y, strength, warmth = (motion(index) for motion in scene.light)
    y, x = np.mgrid[-1:1:12j, -1:1:20j].astype(np.float32)
    fall = 1 - UNEVEN * (1 - np.exp(-((x - light_x) ** 2 + (y - light_y) ** 2) / 1.5))
    field = (fall[..., None] * (strength * np.array([1 + warmth, 1, 1 - warmth]))).astype(np.float32)
    lit = cv2.multiply(exposed, cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR))
    top, left = random.integers(GRAIN_MARGIN, size=2)
    grain = np.ascontiguousarray(scene.grain[top : top + height, left : left + width])
    return cv2.add(lit, grain, dtype=cv2.CV_8U)


def _rotation(angle: float, axis: int) -> NDArray[np.float64]:
    matrix = np.eye(3)
    first, second = [other for other in range(3) if other != axis]
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def _apply(homography: NDArray[np.floating[Any]], points: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = points @ homography[:, :2].T + homography[:, 2]
    return moved[:, :2] / moved[:, 2:]
