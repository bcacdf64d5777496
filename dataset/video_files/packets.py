"""Opens video files, indexes the packets of their video streams, and decodes from any key packet on."""

import os
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from util.errors import InputError

av.logging.set_level(None)  # damage is reported in one sentence instead

# Metadata that is not UTF-8 must not be an error; PyAV 19 and later replaces it.
BEFORE_19 = int(av.__version__.partition(".")[0]) < 19
LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if BEFORE_19 else {}

NO_VIDEO = {"image2", "ico", "tty"}  # formats of pictures and texts; the names of others end in _pipe
UNTIMED = {"h264", "hevc"}  # codecs that AVI stores in decoding order, without times
NO_TIMES = 0x80  # FFmpeg's flag of containers without times: raw streams
VP8_SHOWN = 0x10  # bit of a packet's first byte: its frame is shown (RFC 6386, 9.1)
USUAL_RATE = 25  # frames per second of streams that state none
LACKING_FRAMES = 1.5  # least missing frames that mark a file as cut off; fewer may be rounding
FLUSH_ERRORS = 64  # limit of decoding errors while flushing; exceeds the number of threads


class PacketTable(NamedTuple):
    """The packets of a video stream, numbered in decoding order, as they are stored.

    Attributes:
        stamps: presentation time of each packet's frame, in the time base of the stream.
        positions: numbers of the packets that a container may seek to, by position in the file.
        order: packet of each frame, in display order when the times are right. Packets whose frames are not
            shown (outside an edit list, alternate references) are left out.
        keys: packets where decoding can start, rising; packet 0 is always one.
        ordered: whether the times give the display order; otherwise only the decoder knows it.
        step: duration of a frame, when the packets have no times or their times start again; else None.
        lacking: number of frames that are missing at the end, by the file's own duration.
    """

    stamps: list[int]
    positions: dict[int | None, int]
    order: list[int]
    keys: list[int]
    ordered: bool
    step: Fraction | None
    lacking: int


def open_container(path: Path) -> InputContainer:
    """Open a video file for reading.

    Raises:
        InputError: the file is not a video.
        OSError: the file cannot be opened.
    """
    path.open("rb").close()  # fails with the error of the system
    try:
        # with "file:", since FFmpeg takes the text before a colon for a protocol
        container = av.open(f"file:{os.fspath(path)}", **LENIENT)
    except (av.FFmpegError, ValueError) as error:
        raise no_video(path) from error
    if container.format.name in NO_VIDEO or container.format.name.endswith("_pipe"):
        container.close()
        raise no_video(path)
    return container


def no_video(path: Path) -> InputError:
    """Return the error of a file without decodable frames."""
    return InputError(
        f"{path} cannot be read as a video (damaged, or another format): give a video file, such as an MP4, "
        "or a folder of pictures."
    )


def read_packets(container: InputContainer, stream: VideoStream) -> PacketTable:
    """Read the packets of a file from its start to the last one that can be found."""
    codec = stream.codec_context.name
    rate = Fraction(stream.average_rate or stream.guessed_rate or USUAL_RATE)
    step = 1 / (rate * (stream.time_base or 1))
    has_times = not container.format.flags & NO_TIMES
    complete = has_times and not (container.format.name == "avi" and codec in UNTIMED)
    stamps: list[int] = []
    found_at: list[int | None] = []
    decoding_times: list[int] = []
    shown: list[int] = []
    keys = [0]
    end = 0
    for number, packet in enumerate(_packets_of(container, stream)):
        complete &= packet.pts is not None
        stamp = packet.dts or 0 if packet.pts is None else packet.pts
        stamps.append(stamp)
        end = max(end, stamp + (packet.duration or round(step)))
        found_at.append(packet.pos)
        if packet.dts is not None:
            decoding_times.append(packet.dts)
        if packet.is_discard or (codec == "vp8" and not memoryview(packet)[0] & VP8_SHOWN):
            continue
        shown.append(number)
        if number and packet.is_keyframe:
            keys.append(number)
    each_alone = len(keys) == len(stamps)  # decoding order is display order
    starts_again = not _rise(decoding_times)
    # in codecs that reorder frames, times that only rise are decoding times
    decoding_order = bool(stream.codec_context.has_b_frames) and _rise(stamps) and not each_alone
    ordered = complete and not starts_again and not decoding_order
    keys = keys if codec != "gif" else [0]  # GIF frames build on earlier ones, so only packet 0 is a key
    times_used = Counter(found_at)  # small packets can share a position
    return PacketTable(
        stamps=stamps,
        positions={found_at[key]: key for key in keys[: len(stamps)] if times_used[found_at[key]] == 1},
        order=sorted(shown, key=lambda number: stamps[number]) if ordered else shown,
        keys=keys,
        ordered=ordered,
        step=step if starts_again or not has_times else None,
        lacking=_lacking(container, stream, len(shown), end) if has_times else 0,
    )


def _rise(numbers: list[int]) -> bool:
    return all(before <= after for before, after in pairwise(numbers))


def _lacking(container: InputContainer, stream: VideoStream, count: int, end: int) -> int:
    """Return the number of frames that are missing at the end, by the duration that the file states.

    The number of frames in the header alone is no measure: it includes frames outside of edit lists.

    Args:
        container: opened file.
        stream: video stream of the file.
        count: number of frames in the file.
        end: end of the last frame in the time base of the stream.
    """
    seconds = Fraction(stream.time_base or 1)
    if stream.duration is not None:
        declared = (stream.duration + (stream.start_time or 0)) * seconds
    elif container.duration is not None and not container.streams.audio:  # audio may end later
        declared = Fraction(container.duration, 1_000_000)  # from 0, whenever the first frame is shown
    else:
        return 0
    rate = stream.average_rate or 0
    if (declared - end * seconds) * rate < LACKING_FRAMES:
        return 0
    start = (stream.start_time or 0) * seconds
    return max(1, (stream.frames or round((declared - start) * rate)) - count)


def _packets_of(container: InputContainer, stream: VideoStream) -> Iterator["Packet[Any]"]:
    """Yield the packets of a stream.

    Empty packets, which flush decoders, are left out, and so is a last packet that is cut off.
    """
    doubtful: Packet[Any] | None = None
    with suppress(av.FFmpegError):  # nothing can be read behind it
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if doubtful is not None:
                yield doubtful
            doubtful = packet if packet.is_corrupt else None
            if doubtful is None:
                yield packet


class PacketDecoder:
    """Decodes the frames of a video file, from any key packet on.

    The number of each packet replaces its pts, and the decoder passes it on to the frame; so wrong or missing
    time stamps do not matter.

    Args:
        path: path of the video file.
        damaged: whether results must only depend on the packets, as in a damaged file: without frame threads,
            which lose frames behind damage, and with a new decoder after each seek, since decoders fill in
            lost parts from earlier frames.

    Attributes:
        stream: video stream of the file.
        next_packet: number of the next packet to decode.
        frames: iterator over the decodable frames, with the numbers of their packets.
    """

    def __init__(self, path: Path, damaged: bool = False) -> None:
        self.path = path
        self._damaged = damaged
        self._close: Callable[[], object] = lambda: None
        self._open()

    def read_table(self) -> PacketTable:
        """Read all packets, up to the end of the stream."""
        return read_packets(self._container, self.stream)

    def seek(self, key: int, table: PacketTable) -> None:
        """Continue at a key packet.

        When the container cannot seek to it, packets are read up to it without decoding.
        """
        if self._damaged or not self._sought(key, table):
            self._open()
        while self.next_packet < key and next(self._packets, None) is not None:
            self.next_packet += 1
        self.frames = self._decoded()

    def _open(self) -> None:
        container = open_container(self.path)
        self._close()
        self._container = container
        # PyAV's objects hold each other: left to the garbage collector, they may wait for their threads in a
        # process that was forked in the meantime, where there are none
        self._close = weakref.finalize(self, self._container.close)
        stream = self._container.streams.best("video")
        if stream is None or stream.disposition & Disposition.attached_pic:  # the cover of a song
            raise no_video(self.path)
        self.stream = cast(VideoStream, stream)
        self.stream.thread_type = "NONE" if self._damaged else "AUTO"
        self._packets = _packets_of(self._container, self.stream)
        self.next_packet = 0
        self.frames = self._decoded()

    def _sought(self, key: int, table: PacketTable) -> bool:
        """Seek in the container; return whether it is at the key packet or before it."""
        index = table.keys.index(key)
        for goal in (key, table.keys[max(0, index - 1)]):  # AVI seeks by times of decoding, which are earlier
            try:
                self._container.seek(table.stamps[goal], stream=self.stream)
            except av.FFmpegError:
                return False
            packets = _packets_of(self._container, self.stream)
            first = next(packets, None)
            number = None if first is None else table.positions.get(first.pos)
            if first is not None and number is not None and number <= key:
                self._packets = chain([first], packets)
                self.next_packet = number
                return True
        return False

    def _decoded(self) -> Iterator[tuple[int, VideoFrame]]:
        for packet in self._packets:
            packet.pts = packet.dts = self.next_packet
            self.next_packet += 1
            with suppress(av.FFmpegError):  # damage
                yield from map(_numbered, packet.decode())
        for _ in range(FLUSH_ERRORS):
            with suppress(av.FFmpegError):  # one at a time
                yield from map(_numbered, self.stream.codec_context.decode(None))
                break


def _numbered(frame: VideoFrame) -> tuple[int, VideoFrame]:
    return -1 if frame.pts is None else frame.pts, frame
