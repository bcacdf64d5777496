"""A synthetic object: a textured, bending sheet, which moves and rotates in space."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Motion = Callable[[float], float]  # a quantity as a function of the frame
Picture = NDArray[np.uint8]

FOCAL = 2.5  # focal length in half heights of the frame; a smaller one gives a stronger perspective
GRID = 8  # the map from frame to texture is smooth, so it is computed at every eighth pixel
REACH = 1.2  # extent of a bent object relative to its square


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
        radius: in half heights of the frame, at depth 1.
        paths: x, y (half heights from the middle), depth, roll, pitch, yaw (radians) as functions of the
            frame.
        bends: k x 6 waves of the sheet: direction x, y, shift x, y, radians per frame, phase.
    """

    colour: Picture
    alpha: Picture
    radius: float
    paths: tuple[Motion, ...]
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
        facing = -(turn.T @ light).astype(np.float32)[2]
        brightness = np.float32(0.55) + np.float32(0.55) * np.maximum(facing, 0)
        shade = brightness * (self.alpha * np.float32(1 / 255))
        gloss = np.float32(70) * np.maximum(brightness - np.float32(0.95), 0) * 4
        gloss = gloss * (self.alpha * np.float32(1 / 255))
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


def _rotation(angle: float, axis: int) -> NDArray[np.float64]:
    matrix = np.eye(3)
    first, second = [other for other in range(3) if other != axis]
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def _apply(homography: NDArray[np.floating[Any]], points: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = points @ homography[:, :2].T + homography[:, 2]
    return moved[:, :2] / moved[:, 2:]
