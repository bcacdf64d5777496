"""Random access to the frames of video files, at a cost bounded by the distance between key frames."""

import logging
from contextlib import suppress
from fractions import Fraction
from functools import cache
from multiprocessing import parent_process
from pathlib import Path
from typing import cast

import numpy as np
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from dataset.video_files.display_turn import display_turn, turned
from dataset.video_files.packet_decoder import PacketDecoder, no_video
from dataset.video_files.packet_table import PacketTable, rising
from dataset.video_files.tone_mapping import ToneMapper, is_high_range
from util.errors import InputError

log = logging.getLogger(__name__)

BT601 = 5  # swscale's number of this coding of colours: that of files that say nothing, and of RGB
MATRICES = {1: 1, 4: 4, 7: 7, 9: 9, 10: 9}  # its numbers of others (BT.709 is 1), by those in files
BUILT_UPON = {PictureType.P, PictureType.B}  # kinds of frames that need others
SAME_RATE = 0.1  # share by which two rates may differ: the last frame's duration counts in one of them
HELD_BYTES = 1 << 28  # of decoded frames, kept while a video is read backwards


INTERLACED = (
    "{} is interlaced: the lines of a frame belong to two points in time, and masks get combed edges. "
    "Deinterlace it first for smooth edges: ffmpeg -i IN -vf bwdif=send_frame OUT.mp4"
)


class MissingFrameError(InputError):
    """A frame cannot be decoded, since the video file is damaged there."""


class VideoFile:
    """Frames of a video file, named by their number: 00000, 00001, ...

    Opening reads all packets, but decodes only the first frame, or everything when only the decoder knows the
    frame order (see `PacketTable.timed`). A frame is decoded from the last key frame before it, or from the
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
        self._readable: set[int] | None = None  # packets; None without signs of damage
        self._reformatter = VideoReformatter()
        table = self._decoder.read_table()
        self._number_frames(table)
        if not table.timed:
            self._put_in_order()
        first = self._first_frame()
        if first.interlaced_frame:
            # an H.264 packet may hold a single field
            if table.timed and self._decoder.stream.codec_context.name == "h264":
                self._put_in_order()
                first = self._first_frame()
            say_once(INTERLACED.format(path))
        self._size = first.width, first.height
        self._turn = display_turn(first)
        self._tone_mapper = ToneMapper(self._size)
        stream = self._decoder.stream
        self.time_base = Fraction(stream.time_base or 1)
        self.stamps = rising([self._table.stamps[packet] for packet in self._table.order])
        self.fps = self._rate(float(stream.average_rate or stream.guessed_rate or 1))
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        self.pixel_aspect = 1 / aspect if self._turn.transposed else aspect
        if self._table.lacking:
            log.warning(
                "%s is cut off: %d of its %d frames can be read.",
                *(path, len(self.names), len(self.names) + self._table.lacking),
            )

    def read(self, index: int) -> NDArray[np.uint8]:
        """Decode one frame, turned as the file says.

        Raises:
            MissingFrameError: the frame cannot be decoded.
        """
        width, height = self._size  # the size may change within a stream
        frame = self._decoded(index)
        if is_high_range(frame):
            return turned(self._tone_mapper.convert(frame), self._turn)
        shown = self._reformatter.reformat(
            frame,
            width,
            height,
            "rgb24",
            src_colorspace=MATRICES.get(frame.colorspace, BT601),
            dst_colorspace=BT601,
            interpolation=Interpolation.BICUBIC,
        )
        return turned(cast(NDArray[np.uint8], shown.to_ndarray()), self._turn)

    def _rate(self, declared: float) -> float:
        """Return the frames per second: the declared rate, unless it counts fields or ticks by the times."""
        if len(self.stamps) == 1:
            return declared
        gaps = np.diff(self.stamps) * float(self.time_base)
        measured = float(1 / gaps.mean())
        rates = measured, float(1 / np.median(gaps))  # no jump in the times moves the median
        return declared if any(abs(declared / rate - 1) < SAME_RATE for rate in rates) else measured

    def _number_frames(self, table: PacketTable) -> None:
        """Set the numbers of the frames, and continue at the first."""
        self._table = table
        self._frame_of = {packet: frame for frame, packet in enumerate(table.order)}
        self.names = [f"{index:05}" for index in range(len(table.order))]
        self._held: dict[int, VideoFrame] = {}  # by index
        self._last = -1  # the frame that came last
        self._decoder.seek(0, table)

    def _put_in_order(self) -> None:
        """Number the frames in the decoder's order; this decodes everything once."""
        log.info("%s has no usable times: it is decoded once to find the order of its frames.", self.path)
        came, fields = self._packets_decoded()
        if len(came) < len(self.names) and not fields:
            self._decoder = PacketDecoder(self.path, damaged=True)
            came, _ = self._packets_decoded()
            log.warning(
                "%s is damaged: %d of its %d frames can be read; the others are left out.",
                *(self.path, len(came), len(self.names)),
            )
        self._number_frames(self._table.reordered(came))

    def _packets_decoded(self) -> tuple[list[int], bool]:
        """Return the packets that give a frame, in frame order, and whether some frames are interlaced."""
        came: dict[int, bool] = {}
        self._decoder.seek(0, self._table)
        for packet, frame in self._decoder:
            if packet in self._frame_of:
                came.setdefault(packet, frame.interlaced_frame)
        return list(came), any(came.values())

    def _first_frame(self) -> VideoFrame:
        for index in range(len(self.names)):
            with suppress(MissingFrameError):
                return self._decoded(index)
        raise no_video(self.path)

    def _decoded(self, index: int) -> VideoFrame:
        if index in self._held:
            return self._held[index]
        if self._is_readable(index):
            start = self._table.start_of(index)
            back = index <= self._last
            going_on = not back and start <= self._decoder.next_packet
            self._run_to(index, start=None if going_on else start, keep=back)
        if index not in self._held:
            self._look_again(index)
        return self._held[index]

    def _run_to(self, index: int, start: int | None = None, keep: bool = False) -> None:
        """Decode up to a frame or a later one, and cache it, unless it may depend on damage.

        Args:
            index: index of the frame.
            start: key packet to start from; None continues.
            keep: whether to cache the frames before it too, up to `HELD_BYTES`.
        """
        self._held = {}
        if start is not None:
            self._decoder.seek(start, self._table)
            self._last = self._table.first_frame_of(start) - 1
        doubted = False  # a frame is missing or damaged, or is no start; later ones may depend on it
        for packet, frame in self._decoder:
            number = self._frame_of.get(packet, -1)
            if number <= self._last:  # shown before the key frame: the packets that it needs may be missing
                continue
            doubted |= (number > self._last + 1 and number <= index) or frame.is_corrupt
            doubted |= packet == start and frame.pict_type in BUILT_UPON
            self._last = number
            if keep or number >= index:
                self._held[number] = frame
            while len(self._held) > 1 and len(self._held) * _bytes_of(frame) > HELD_BYTES:
                del self._held[min(self._held)]
            if number >= index:
                if doubted and self._readable is None:
                    self._held = {}
                return
        self._last = len(self.names)

    def _look_again(self, index: int) -> None:
        """Decode a frame that did not come from its key frame, from earlier and earlier key frames.

        Decoding cannot start at some frames that are marked as key frames.
        """
        if self._readable is None:
            self._look_for_damage()
        keys = self._table.keys
        place, step = keys.index(self._table.start_of(index)), 1
        while self._is_readable(index) and place >= 0:
            self._run_to(index, start=keys[place], keep=True)
            if index in self._held:
                return
            place = max(0, place - step) if place else -1
            step *= 2
        raise MissingFrameError(f"frame {index} of {self.path} cannot be decoded: the file is damaged there.")

    def _is_readable(self, index: int) -> bool:
        return self._readable is None or self._table.order[index] in self._readable

    def _look_for_damage(self) -> None:
        """Decode everything once, to find the readable frames and the packets where decoding can start."""
        self._decoder = PacketDecoder(self.path, damaged=True)
        whole: set[int] = set()
        unfit: set[int] = set()  # to start from
        self._readable = set()
        for packet, frame in self._decoder:
            if packet in self._frame_of:
                self._readable.add(packet)
                (unfit if frame.is_corrupt else whole).add(packet)
                if frame.pict_type in BUILT_UPON and packet in self._table.keys:
                    unfit.add(packet)
        damaged = [packet for packet in self._table.order if packet not in whole]
        self._last = len(self.names)
        self._table = self._table.without_keys_before({*damaged, *unfit})
        if not damaged:  # only the key frames are unusual
            self._decoder = PacketDecoder(self.path)
        lost = [index for index in range(len(self.names)) if not self._is_readable(index)]
        if lost:
            log.warning(
                "%s is damaged: %d of its %d frames can be read; the others, from frame %d on, are left out.",
                *(self.path, len(self._readable), len(self.names), lost[0]),
            )


@cache
def say_once(message: str) -> None:
    """Log a warning once, also when the same video is opened again, here or in a worker process."""
    if parent_process() is None:
        log.warning(message)


def _bytes_of(frame: VideoFrame) -> int:
    return sum(plane.buffer_size for plane in frame.planes)
