"""Decodes a video stream from any of its key packets on."""

import os
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dataset.video_files.packet_table import PacketTable, packets_of, read_packets
from util.errors import InputError

av.logging.set_level(None)  # damage is reported in one sentence instead

# Metadata that is not UTF-8 must not be an error; PyAV 19 and later replaces it.
BEFORE_19 = int(av.__version__.partition(".")[0]) < 19
LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if BEFORE_19 else {}

# Formats that FFmpeg reads but that are not videos; the names of picture formats also end in _pipe.
A_PICTURE = "a picture, not a video"
NO_VIDEO = {"image2": A_PICTURE, "ico": A_PICTURE, "tty": "a text, not a video"}
FLUSH_ERRORS = 64  # more than a decoder's threads, each of which may hold a damaged frame


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
    kind = container.format.name
    if kind in NO_VIDEO or kind.endswith("_pipe"):
        container.close()
        what = NO_VIDEO.get(kind, A_PICTURE)
        raise InputError(f"{path} is {what}: give a video file, or the folder of a video's pictures.")
    return container


def no_video(path: Path) -> InputError:
    """Return the error of a file without decodable pictures."""
    return InputError(
        f"{path} cannot be read as a video (damaged, or another format): convert it to MP4, or to a folder "
        "of pictures."
    )


class PacketDecoder:
    """Iterates over the decodable frames of a video file, with their packet numbers (see `PacketTable`).

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
        self._start()

    def __iter__(self) -> "PacketDecoder":
        return self

    def __next__(self) -> tuple[int, VideoFrame]:
        while not self._frames:
            if not self._decode():
                raise StopIteration
        return _numbered(self._frames.popleft())

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
        self._packets = packets_of(self._container, self.stream)
        self.next_packet = 0
        self._start()

    def _start(self) -> None:
        """Discard the state of the decoder."""
        self._frames = deque[VideoFrame]()
        self._flushes = FLUSH_ERRORS

    def _sought(self, key: int, table: PacketTable) -> bool:
        """Seek in the container; return whether it is at the key packet or before it."""
        place = table.keys.index(key)
        for goal in (key, table.keys[max(0, place - 1)]):  # AVI seeks by times of decoding, which are earlier
            try:
                self._container.seek(table.stamps[goal], stream=self.stream)
            except av.FFmpegError:
                return False
            packets = packets_of(self._container, self.stream)
            first = next(packets, None)
            number = None if first is None else table.number_at(first.pos)
            if first is not None and number is not None and number <= key:
                self._packets = chain([first], packets)
                self.next_packet = number
                return True
        return False

    def _decode(self) -> bool:
        """Decode the next packet, or flush the decoder at the end; return whether any was left."""
        packet = next(self._packets, None)
        if packet is not None:
            packet.pts = packet.dts = self.next_packet
            self.next_packet += 1
            with suppress(av.FFmpegError):  # damage
                self._frames.extend(packet.decode())
            return True
        if not self._flushes:
            return False
        self._flushes -= 1
        with suppress(av.FFmpegError):  # one at a time
            self._frames.extend(self.stream.codec_context.decode(None))
            self._flushes = 0
        return True


def _numbered(frame: VideoFrame) -> tuple[int, VideoFrame]:
    return -1 if frame.pts is None else frame.pts, frame
