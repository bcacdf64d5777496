"""Tone mapping of HDR videos to standard range."""

from fractions import Fraction
from typing import cast

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from numpy.typing import NDArray

HIGH_RANGE = {16, 18}  # FFmpeg's numbers of the transfer functions PQ and HLG
# to white as bright as paper (203 cd/m2, ITU-R BT.2408); what is brighter becomes white
TO_USUAL_RANGE = "out_transfer=bt709:out_primaries=bt709:intent=relative_colorimetric:flags=bicubic"

ANY_TIME_BASE = Fraction(1, 1000)  # frames go in and out one by one


def is_high_range(frame: VideoFrame) -> bool:
    """Return whether a frame is marked as PQ or HLG."""
    return frame.color_trc in HIGH_RANGE


class ToneMapper:
    """Converts HDR frames to RGB of BT.709.

    Args:
        size: (width, height) of the results.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._graph: Graph | None = None
        self._kind: tuple[object, ...] = ()  # of frame that the graph is for

    def convert(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return a frame as RGB, `H x W x 3`."""
        kind = (frame.width, frame.height, frame.format.name, frame.color_trc, frame.color_primaries)
        if self._graph is None or kind != self._kind:
            self._graph, self._kind = self._built_for(frame), kind
        self._graph.push(frame)
        return cast(NDArray[np.uint8], cast(VideoFrame, self._graph.pull()).to_ndarray())

    def _built_for(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        graph.threads = 1  # threads would not exist in a process that is forked later
        given = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=ANY_TIME_BASE
        )
        scaled = graph.add("scale", f"{self._size[0]}:{self._size[1]}:{TO_USUAL_RANGE}")
        graph.link_nodes(given, scaled, graph.add("format", "rgb24"), graph.add("buffersink")).configure()
        return graph
