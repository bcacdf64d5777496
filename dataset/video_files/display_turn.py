"""The rotation and mirroring with which a video's stored pictures are displayed."""

from typing import NamedTuple, cast

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from numpy.typing import NDArray


class Turn(NamedTuple):
    """A rotation by quarters with mirroring: transpose first, then mirror where a step is -1."""

    transposed: bool = False
    down: int = 1
    right: int = 1


def display_turn(frame: VideoFrame) -> Turn:
    """Return the rotation by quarters and mirroring nearest to a frame's display matrix.

    The matrix (a b u, c d v, x y w) displays the pixel (p, q) at (ap + cq + x, bp + dq + y), in fixed point.
    """
    data = cast(SideData | None, frame.side_data.get("DISPLAYMATRIX"))
    if data is None:
        return Turn()
    a, b, _, c, d = np.frombuffer(memoryview(data), np.int32)[:5].astype(int)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Turn(False, -1 if d < 0 else 1, -1 if a < 0 else 1)
    return Turn(True, -1 if b < 0 else 1, -1 if c < 0 else 1)


def turned(picture: NDArray[np.uint8], turn: Turn) -> NDArray[np.uint8]:
    """Apply a turn to a picture `H x W x 3`; the result is `W x H x 3` when it is transposed."""
    if turn == Turn():
        return picture
    upright = picture.transpose(1, 0, 2) if turn.transposed else picture
    return np.ascontiguousarray(upright[:: turn.down, :: turn.right])
