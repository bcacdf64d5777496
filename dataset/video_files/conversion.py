"""Converts decoded frames to upright RGB pictures of standard range."""

from fractions import Fraction
from typing import cast

import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

BT601 = 5  # swscale's code of BT.601, used for files without a colour matrix and for RGB
MATRICES = {1: 1, 4: 4, 7: 7, 9: 9, 10: 9}  # maps a file's matrix code to swscale's code
HIGH_RANGE = {16, 18}  # FFmpeg's codes of the transfer functions PQ and HLG
# maps HDR to SDR with reference white at 203 cd/m2 (ITU-R BT.2408); brighter values are clipped
TO_USUAL_RANGE = "out_transfer=bt709:out_primaries=bt709:intent=relative_colorimetric:flags=bicubic"
ANY_TIME_BASE = Fraction(1, 1000)  # arbitrary, since each frame is converted alone
UPRIGHT = (1, 0, 0, 0, 1)  # start of the display matrix of an upright video


class Conversion:
    """Converts the frames of a video to RGB; the size may change within a stream, and the results have one.

    Args:
        first: first frame, which gives size, rotation and mirroring.

    Attributes:
        transposed: whether the stored rows are displayed as columns.
    """

    def __init__(self, first: VideoFrame) -> None:
        self._size = first.width, first.height
        # the matrix (a b u, c d v, x y w) displays the pixel (p, q) at (ap + cq + x, bp + dq + y)
        data = cast(SideData | None, first.side_data.get("DISPLAYMATRIX"))
        matrix = UPRIGHT if data is None else np.frombuffer(memoryview(data), np.int32).tolist()
        a, b, _, c, d = matrix[:5]
        self.transposed = abs(a) + abs(d) < abs(b) + abs(c)
        down, right = (b, c) if self.transposed else (d, a)
        self._steps = -1 if down < 0 else 1, -1 if right < 0 else 1
        self._reformatter = VideoReformatter()
        self._tone_mappers: dict[tuple[object, ...], Graph] = {}

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return a frame as RGB, `H x W x 3`, rotated by quarters and mirrored as the file says."""
        shown = self._tone_mapped(frame) if frame.color_trc in HIGH_RANGE else self._reformatted(frame)
        picture = cast(NDArray[np.uint8], shown.to_ndarray())
        if self.transposed:
            picture = picture.transpose(1, 0, 2)
        return np.ascontiguousarray(picture[:: self._steps[0], :: self._steps[1]])

    def _reformatted(self, frame: VideoFrame) -> VideoFrame:
        return self._reformatter.reformat(
            frame,
            *(*self._size, "rgb24"),
            src_colorspace=MATRICES.get(frame.colorspace, BT601),
            dst_colorspace=BT601,
            interpolation=Interpolation.BICUBIC,
        )

    def _tone_mapped(self, frame: VideoFrame) -> VideoFrame:
        kind = (frame.width, frame.height, frame.format.name, frame.color_trc, frame.color_primaries)
        graph = self._tone_mappers.get(kind)
        if graph is None:
            graph = self._tone_mappers[kind] = Graph()
            graph.threads = 1  # threads would not exist in a process that is forked later
            given = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=ANY_TIME_BASE
            )
            scaled = graph.add("scale", f"{self._size[0]}:{self._size[1]}:{TO_USUAL_RANGE}")
            graph.link_nodes(given, scaled, graph.add("format", "rgb24"), graph.add("buffersink")).configure()
        graph.push(frame)
        return cast(VideoFrame, graph.pull())
