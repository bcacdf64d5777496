"""The packet index of a video file: frames, times and where decoding can start, without decoding."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

VP8_SHOWN = 0x10  # bit of a packet's first byte: its frame is shown (RFC 6386, 9.1)
UNTIMED = {"h264", "hevc"}  # codecs that AVI stores in decoding order, without times
NO_TIMES = 0x80  # FFmpeg's flag of containers without times: raw streams
USUAL_RATE = 25  # frames per second that FFmpeg assumes of raw streams

LACKING_FRAMES = 1.5  # missing at the end of a file that is cut off; fewer may be rounding


@dataclass(frozen=True)
class PacketTable:
    """The packets of a video stream, numbered in decoding order, as they are stored.

    Attributes:
        stamps: presentation time of each packet's frame, in the time base of the stream.
        places: numbers of the packets that a container may seek to, by position in the file.
        order: packet of each frame, in display order. Packets whose frames are not shown (outside an edit
            list, alternate references) are left out.
        keys: packets where decoding can start, rising; packet 0 is always one.
        timed: whether the packets have presentation times. Otherwise `order` and `stamps` are those of
            decoding, and only the decoder knows the display order.
        lacking: number of frames that are missing at the end, by the file's own duration.
        counted: whether the file has no times, and `stamps` count packets.
    """

    stamps: list[int]
    places: dict[int, int]
    order: list[int]
    keys: list[int]
    timed: bool
    lacking: int
    counted: bool

    def number_at(self, place: int | None) -> int | None:
        """Return the number of the packet at a container's position, or None when it is not unique."""
        return None if place is None else self.places.get(place)

    def start_of(self, frame: int) -> int:
        """Return the last key packet from which a frame can be decoded.

        Frames that are stored behind a key packet but shown before it may need earlier packets.
        """
        packet = self.order[frame]
        place = bisect_right(self.keys, packet) - 1
        while place > 0 and self.stamps[self.keys[place]] > self.stamps[packet]:
            place -= 1
        return self.keys[place]

    def first_frame_of(self, key: int) -> int:
        """Return the first frame that needs no packet before a key packet."""
        return bisect_left(self.order, self.stamps[key], key=self.stamps.__getitem__) if key else 0

    def reordered(self, order: Sequence[int]) -> "PacketTable":
        """Return the table with the frame order of the decoder."""
        stamps = list(self.stamps)
        in_turn = rising(sorted(self.stamps[packet] for packet in order))
        if self.counted:  # frames, of which each may have two packets
            in_turn = self.stamps[: len(order)]
        for packet, stamp in zip(order, in_turn, strict=True):
            stamps[packet] = stamp
        return replace(self, stamps=stamps, order=list(order), timed=True)

    def without_keys_before(self, damaged: Iterable[int]) -> "PacketTable":
        """Return the table without the key packets that are followed by damage before the next key packet.

        The decoder's results for such a part depend on earlier packets, so decoding always starts before it.
        """
        parts = {bisect_right(self.keys, packet) - 1 for packet in damaged}
        return replace(self, keys=[key for part, key in enumerate(self.keys) if part not in parts or not key])


def read_packets(container: InputContainer, stream: VideoStream) -> PacketTable:
    """Read the packets of a file from its start to the last one that can be found."""
    clock = _Clock(container, stream)
    stamps: list[int] = []
    found_at: list[int | None] = []
    hidden: set[int] = set()
    starts = [0]
    ends: dict[int, int] = {}  # of the other streams, in their own time base
    for packet in packets_of(container, *container.streams.video, *container.streams.audio):
        if packet.stream_index != stream.index:
            end = stamp_of(packet) + (packet.duration or 0)
            ends[packet.stream_index] = max(end, ends.get(packet.stream_index, end))
            continue
        number = len(stamps)
        stamps.append(clock.stamp(number, packet))
        found_at.append(packet.pos)
        if packet.is_discard or (clock.codec == "vp8" and not memoryview(packet)[0] & VP8_SHOWN):
            hidden.add(number)
        elif number and packet.is_keyframe:
            starts.append(number)
    shown = [number for number in range(len(stamps)) if number not in hidden]
    timed = clock.is_right(stamps, each_alone=len(starts) == len(stamps))
    order = sorted(shown, key=lambda number: stamps[number]) if timed else shown
    keys = starts if clock.codec != "gif" else [0]  # whose frames are drawn over those before
    times_used = Counter(found_at)  # small packets can share a place
    places = {
        place: key
        for key in keys[: len(stamps)]
        if (place := found_at[key]) is not None and times_used[place] == 1
    }
    ends = {stream.index: clock.end} | (ends if stream.duration is None else {})
    seconds = [float(end * (container.streams[index].time_base or 1)) for index, end in ends.items()]
    lacking = _lacking(container, stream, len(order), max(seconds, default=0.0))
    return PacketTable(stamps, places, order, keys, timed, lacking, counted=not clock.has_times)


class _Clock:
    """Computes the presentation times of a stream's packets.

    Attributes:
        codec: name of the stream's codec.
        end: end of the last frame so far.
        has_times: whether the container stores times.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.codec = stream.codec_context.name
        self.end = 0
        self._may_reorder = bool(stream.codec_context.has_b_frames)
        rate = Fraction(stream.average_rate or stream.guessed_rate or USUAL_RATE)
        self._step = 1 / (rate * (stream.time_base or 1))
        self.has_times = not container.format.flags & NO_TIMES
        self._complete = not (container.format.name == "avi" and self.codec in UNTIMED)
        self._last: int | None = None  # when the last packet is decoded, shifted
        self._shift = 0

    def stamp(self, number: int, packet: "Packet[Any]") -> int:
        """Return the presentation time of a packet; times that start again continue the earlier ones."""
        if not self.has_times:
            stamp = round(number * self._step)
        else:
            self._complete &= packet.pts is not None
            if packet.dts is not None:
                if self._last is not None and packet.dts + self._shift < self._last:
                    self._shift = self._last + (packet.duration or round(self._step)) - packet.dts
                self._last = packet.dts + self._shift
            stamp = stamp_of(packet) + self._shift
        end = stamp + (packet.duration or 0)
        self.end = max(self.end, end) if number else end
        return stamp

    def is_right(self, stamps: Sequence[int], each_alone: bool) -> bool:
        """Return whether the packets' times give the display order.

        In codecs that reorder frames, times that only rise are decoding times.

        Args:
            stamps: times of all packets.
            each_alone: whether all frames are key frames, so that decoding order is display order.
        """
        rise = all(before <= after for before, after in pairwise(stamps))
        return self.has_times and self._complete and (each_alone or not (self._may_reorder and rise))


def _lacking(container: InputContainer, stream: VideoStream, count: int, end: float) -> int:
    """Return the number of frames that are missing at the end.

    The number of frames in the header is no measure: it includes frames outside of edit lists.

    Args:
        container: opened file.
        stream: video stream of the file.
        count: number of frames in the file.
        end: end of the frames in seconds, or of all streams when the stream has no duration.
    """
    if container.format.flags & NO_TIMES:  # FFmpeg guesses
        return 0
    if stream.duration is not None:
        declared = float((stream.duration + (stream.start_time or 0)) * (stream.time_base or 1))
    elif container.duration is not None:
        declared = container.duration / 1_000_000  # from 0 on, whenever the first frame is shown
    else:
        return 0
    rate = float(stream.average_rate or 0)
    if (declared - end) * rate < LACKING_FRAMES:
        return 0
    start = float((stream.start_time or 0) * (stream.time_base or 1))
    return max(1, (stream.frames or round((declared - start) * rate)) - count)


def packets_of(container: InputContainer, *streams: Stream) -> Iterator["Packet[Any]"]:
    """Yield the packets of some streams.

    Empty packets, which flush decoders, are left out, and so is a last packet that is cut off.
    """
    doubtful: Packet[Any] | None = None
    with suppress(av.FFmpegError):  # nothing can be read behind it
        for packet in container.demux(*streams):
            if not packet.size:
                continue
            if doubtful is not None:
                yield doubtful
            doubtful = packet if packet.is_corrupt else None
            if doubtful is None:
                yield packet


def stamp_of(packet: "Packet[Any]") -> int:
    """Return a packet's presentation time, or else its decoding time."""
    if packet.pts is not None:
        return packet.pts
    return packet.dts if packet.dts is not None else 0


def rising(stamps: Sequence[int]) -> list[int]:
    """Return sorted stamps, with equal ones moved apart by the smallest step."""
    apart: list[int] = []
    for stamp in stamps:
        apart.append(max(stamp, apart[-1] + 1) if apart else stamp)
    return apart
