"""A synthetic object: a textured, bending sheet with a relief, which moves and rotates in space."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset.synthetic.textures import Picture, Random

FOCAL = 2.5  # focal length in half heights of the frame; a smaller one gives a stronger perspective
GRID = 8  # the map from frame to texture is smooth, so it is computed at every eighth pixel
REACH = 1.2  # extent of a bent object relative to its square


@dataclass(frozen=True)
class Wander:
    """A smooth random function of time: a sum of sines around a middle, with a drift."""

    middle: float
    drift: float  # per frame
    waves: NDArray[np.float64]  # n x 3: amplitude, radians per frame, phase

    @classmethod
    def draw(cls, random: Random, middle: float, reach: float, period: float, drift: float = 0) -> "Wander":
        """Draw a function that stays within `reach` of its middle, with a period of about `period` frames."""
        parts = random.dirichlet((2, 1, 0.5)) * reach
        speeds = 2 * np.pi / period * np.array([1, 2, 3.5]) * random.uniform(0.6, 1.3, size=3)
        return cls(middle, drift, np.column_stack((parts, speeds, random.uniform(0, 2 * np.pi, size=3))))

    def __call__(self, time: float) -> float:
        """Return the value at a time in frames."""
        amplitude, speed, phase = self.waves.T
        return float(self.middle + self.drift * time + (amplitude * np.sin(speed * time + phase)).sum())


@dataclass(frozen=True)
class Pose:
    """The position and rotation of an object at one point in time."""

    to_frame: NDArray[np.float64]  # 3 x 3 homography from the object's square [-1, 1]^2 to pixels (x, y)
    turn: NDArray[np.float64]  # 3 x 3 rotation, object to camera
    depth: float
    corners: NDArray[np.float64]  # 4 x 2 pixels, with a margin for bending


@dataclass(frozen=True)
class SyntheticObject:
    """The appearance and motion of an object.

    Attributes:
        colour: n x n x 3 texture.
        alpha: n x n opacity of the outline, uint8.
        normals: n x n x 3 unit normals of its relief.
        radius: in half heights of the frame, at depth 1.
        paths: x, y (half heights from the middle), depth, roll, pitch, yaw (radians) as functions of the
            frame.
        bends: k x 6 waves of the sheet: direction x, y, shift x, y, radians per frame, phase.
    """

    colour: Picture
    alpha: Picture
    normals: NDArray[np.float32]
    radius: float
    paths: tuple[Callable[[float], float], ...]
    bends: NDArray[np.float64]

    def pose(self, time: float, height: int, width: int) -> Pose:
        """Project the object's square into a frame."""
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
        towards = (turn.T @ light).astype(np.float32)
        shade = cv2.transform(self.normals, towards[None])
        shade = np.float32(0.55) + np.float32(0.55) * np.maximum(shade, 0)
        gloss = np.float32(70) * np.maximum(shade - np.float32(0.95), 0) * 4
        shade *= self.alpha * np.float32(1 / 255)
        gloss *= self.alpha * np.float32(1 / 255)
        colour = cv2.multiply(self.colour, cv2.merge([shade] * 3), dtype=cv2.CV_32F)
        colour = cv2.add(colour, cv2.merge([gloss] * 3))
        ceiling = cv2.merge([self.alpha] * 3)  # colours are multiplied by the opacity
        colour = cv2.min(cv2.convertScaleAbs(colour), ceiling)
        return np.dstack((colour, self.alpha))

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


def random_outline(random: Random, size: int) -> Picture:
    """Draw the opacity of a random shape, `size x size`: lobed, stretched, possibly with limbs or a hole."""
    fine = 4
    canvas = np.zeros((size * fine, size * fine), np.uint8)
    angles = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    half = size * fine / 2

    def blob(centre: NDArray[np.float64], radius: float, value: int) -> None:
        orders = np.arange(2, 7)
        strengths = random.normal(size=5) * 0.28 / orders**0.8
        lobes = (strengths[:, None] * np.cos(orders[:, None] * angles + random.uniform(0, 6.3, (5, 1)))).sum(
            0
        )
        distance = radius * np.clip(1 + lobes, 0.35, 1.6)
        stretch, tilt = random.uniform(0.55, 1), random.uniform(0, np.pi)
        x, y = distance * np.cos(angles), stretch * distance * np.sin(angles)
        points = np.column_stack((np.cos(tilt) * x - np.sin(tilt) * y, np.sin(tilt) * x + np.cos(tilt) * y))
        cv2.fillPoly(canvas, [np.round((points + centre + 1) * half).astype(np.int32)], value)

    blob(np.zeros(2), 0.58, 255)
    for _ in range(random.integers(4)):
        towards = random.uniform(0, 2 * np.pi)
        blob(0.55 * np.array([np.cos(towards), np.sin(towards)]), random.uniform(0.15, 0.32), 255)
    if random.random() < 0.2:
        blob(random.uniform(-0.15, 0.15, 2), 0.18, 0)
    canvas[:fine], canvas[-fine:], canvas[:, :fine], canvas[:, -fine:] = 0, 0, 0, 0
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)


def padded_normals(alpha: Picture, random: Random) -> NDArray[np.float32]:
    """Return the unit normals of a cushion of a given outline, `n x n x 3`, towards the camera (-z)."""
    inside = cv2.distanceTransform((alpha > 127).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    size = alpha.shape[0]
    bulge = np.sqrt(inside / size) * size * random.uniform(0.2, 0.5)
    bulge = cv2.GaussianBlur(bulge.astype(np.float32), (0, 0), size / 40)
    slope_x, slope_y = (cv2.Sobel(bulge, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    normals = np.dstack((-slope_x, -slope_y, np.full_like(slope_x, -1)))
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def _rotation(angle: float, axis: int) -> NDArray[np.float64]:
    matrix = np.eye(3)
    first, second = [other for other in range(3) if other != axis]
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def _apply(homography: NDArray[np.floating[Any]], points: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = points @ homography[:, :2].T + homography[:, 2]
    return moved[:, :2] / moved[:, 2:]
