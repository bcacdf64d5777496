"""Random access to the frames of video files, at a cost bounded by the distance between key frames."""

import logging
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from dataset.video_files.conversion import Conversion
from dataset.video_files.packets import PacketDecoder, no_video
from util.errors import InputError

log = logging.getLogger(__name__)

BUILT_UPON = {PictureType.P, PictureType.B}  # kinds of frames that need others
SAME_RATE = 0.1  # share by which two rates may differ, since one of them counts the last frame's duration
HELD_BYTES = 1 << 28  # limit of decoded frames kept while a video is read backwards


class MissingFrameError(InputError):
    """A frame cannot be decoded, since the video file is damaged there."""


class VideoFile:
    """Frames of a video file, named by their number: 00000, 00001, ...

    Opening reads all packets, but decodes only the first frame, or everything when only the decoder knows the
    frame order (see `PacketTable.ordered`). A frame is decoded from the last key frame before it, or from the
    last read frame when that is nearer. When frames are read backward, decoded frames are cached up to
    `HELD_BYTES`, so that each part between two key frames is decoded once.

    When a frame cannot be decoded, the whole file is decoded once, and a warning says how many frames can be
    read. Reading a damaged frame raises `MissingFrameError`; the others keep their numbers and times. Frames
    that are missing at the end of the file do not count.

    Attributes:
        time_base: seconds of one step of `stamps`.
        stamps: time of each frame, rising.
        pixel_aspect: width of a pixel divided by its height, as displayed.
    """

    def __init__(self, path: Path) -> None:
        self.path = self.place = path
        self.threads = 1
        self._decoder = PacketDecoder(path)
        self._table = self._decoder.read_table()
        if not self._table.order:
            raise no_video(path)
        self._keys = self._table.keys
        self._lost: set[int] = set()
        self._examined = False
        self._number_frames(self._table.order)
        if not self._table.ordered:
            log.info("%s has no usable times: it is decoded once to find the order of its frames.", path)
            self._examine(reorder=True)
        first = self._first_frame()
        if first.interlaced_frame:
            # an H.264 packet may hold a single field
            if not self._examined and self._decoder.stream.codec_context.name == "h264":
                self._examine(reorder=True)
                first = self._first_frame()
            log.warning(
                "%s is interlaced: the lines of a frame belong to two points in time, and masks get combed "
                "edges. Deinterlace it first for smooth edges: ffmpeg -i IN -vf bwdif=send_frame OUT.mp4",
                path,
            )
        self._convert = Conversion(first)
        stream = self._decoder.stream
        self.time_base = Fraction(stream.time_base or 1)
        self.stamps: Sequence[int] = self._times()
        self.fps = self._rate(float(stream.average_rate or stream.guessed_rate or 1))
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        self.pixel_aspect = 1 / aspect if self._convert.transposed else aspect
        if lacking := self._table.lacking:
            count = len(self.names)
            log.warning("%s is cut off: %d of its %d frames can be read.", path, count, count + lacking)

    def read(self, index: int) -> NDArray[np.uint8]:
        """Decode one frame, turned as the file says.

        Raises:
            MissingFrameError: the frame cannot be decoded.
        """
        return self._convert(self._decoded(index))

    def _times(self) -> list[int]:
        if self._table.step is not None:
            return [round(index * self._table.step) for index in range(len(self._order))]
        steps = np.arange(len(self._order))
        stamps = np.sort([self._table.stamps[packet] for packet in self._order])
        return (np.maximum.accumulate(stamps - steps) + steps).tolist()  # equal ones are moved apart

    def _rate(self, declared: float) -> float:
        """Return the frames per second: the declared rate, unless it counts fields or ticks by the times."""
        if len(self.stamps) == 1:
            return declared
        gaps = np.diff(self.stamps) * float(self.time_base)
        measured = float(1 / gaps.mean())
        rates = measured, float(1 / np.median(gaps))  # no jump in the times moves the median
        return declared if any(abs(declared / rate - 1) < SAME_RATE for rate in rates) else measured

    def _number_frames(self, order: Sequence[int]) -> None:
        """Number the frames, given the packet of each, and continue at the first."""
        self._order = order
        self._frame_of = {packet: frame for frame, packet in enumerate(order)}
        self.names: Sequence[str] = [f"{index:05}" for index in range(len(order))]
        self._keys = [key for key in self._keys if key in self._frame_of or key == 0]
        self._held: dict[int, VideoFrame] = {}  # decoded frames by index
        self._last = -1  # index of the frame that came last
        self._decoder.seek(0, self._table)

    def _examine(self, reorder: bool = False) -> None:
        """Decode everything once, to find the readable frames and the packets where decoding can start.

        Args:
            reorder: whether to number the readable frames in the decoder's order; the others are left out.
        """
        self._examined = True
        self._decoder = PacketDecoder(self.path, damaged=True)
        came: dict[int, None] = {}
        corrupt: set[int] = set()
        unfit: set[int] = set()  # key packets where decoding cannot start
        fields = False
        for packet, frame in self._decoder.frames:
            if packet in self._frame_of:
                came[packet] = None
                fields |= frame.interlaced_frame
                if frame.is_corrupt:
                    corrupt.add(packet)
                if frame.pict_type in BUILT_UPON and packet in self._keys:
                    unfit.add(packet)
        # two packets of fields give one frame
        lost = [] if reorder and fields else [packet for packet in self._order if packet not in came]
        if lost:
            log.warning(
                "%s is damaged: %d of its %d frames can be read; the others, from frame %d on, are left out.",
                *(self.path, len(came), len(self.names), self._frame_of[lost[0]]),
            )
        # What a decoder makes of a part with damage depends on earlier packets, so it starts before the part.
        parts = {bisect_right(self._keys, packet) - 1 for packet in {*lost, *corrupt, *unfit}}
        self._keys = [key for part, key in enumerate(self._keys) if part not in parts or not key]
        if not lost and not corrupt:
            self._decoder = PacketDecoder(self.path)
        self._lost = set() if reorder else {self._frame_of[packet] for packet in lost}
        self._number_frames(list(came) if reorder else self._order)

    def _first_frame(self) -> VideoFrame:
        for index in range(len(self.names)):
            with suppress(MissingFrameError):
                return self._decoded(index)
        raise no_video(self.path)

    def _decoded(self, index: int) -> VideoFrame:
        self._look_for(index, self._start_of(index))
        if index not in self._held and not self._examined:
            self._examine()
            self._look_for(index, self._start_of(index))
        self._look_for(index, 0)  # decoding cannot start at some packets marked as key
        if index not in self._held:
            raise MissingFrameError(
                f"frame {index} of {self.path} cannot be decoded: the file is damaged there."
            )
        return self._held[index]

    def _start_of(self, index: int) -> int:
        """Return the last key packet from which a frame can be decoded.

        Frames that are stored behind a key packet but shown before it may need earlier packets.
        """
        place = bisect_right(self._keys, self._order[index]) - 1
        while place > 0 and self._frame_of[self._keys[place]] > index:
            place -= 1
        return self._keys[place]

    def _look_for(self, index: int, start: int) -> None:
        """Decode a frame from a key packet on, unless it is cached or lost."""
        if index not in self._held and index not in self._lost:
            back = index <= self._last
            going_on = not back and start <= self._decoder.next_packet
            self._run_to(index, start=None if going_on else start, keep=back)

    def _run_to(self, index: int, start: int | None, keep: bool) -> None:
        """Decode up to a frame or a later one, and cache it, unless it may depend on damage.

        Args:
            index: index of the frame.
            start: key packet to start from; None continues.
            keep: whether to cache the frames before it too, up to `HELD_BYTES`.
        """
        self._held = {}
        if start is not None:
            self._decoder.seek(start, self._table)
            self._last = self._frame_of[start] - 1 if start else -1
        doubted = False  # a frame is missing or damaged, or is no start; later ones may depend on it
        for packet, frame in self._decoder.frames:
            number = self._frame_of.get(packet, -1)
            if number <= self._last:  # shown before the key frame: the packets that it needs may be missing
                continue
            doubted |= (number > self._last + 1 and number <= index) or frame.is_corrupt
            doubted |= packet == start and frame.pict_type in BUILT_UPON
            self._last = number
            if keep or number >= index:
                self._held[number] = frame
            size = sum(plane.buffer_size for plane in frame.planes)
            while len(self._held) > 1 and len(self._held) * size > HELD_BYTES:
                del self._held[min(self._held)]
            if number >= index:
                if doubted and not self._examined:
                    self._held = {}
                return
        self._last = len(self.names)
