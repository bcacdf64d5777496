"""Interlaced H.264 with a packet for each field, as camcorders write it; encoders here write whole frames.

Every macroblock is I_PCM, so that the stream holds the numbers of its pixels (ITU-R H.264, clause 7.3).
"""

import numpy as np
from av.video.frame import VideoFrame

from tests.dataset.encoded_videos import HEIGHT, WIDTH, picture

FIELD_ROWS = 2  # of macroblocks; a frame has 64 lines, of which HEIGHT are shown
KEY_DISTANCE = 8  # frames


class Bits:
    """Bits of a unit, most significant first."""

    def __init__(self):
        self.text = ""

    def put(self, *values, width=1):
        self.text += "".join(f"{value:0{width}b}" for value in values)

    def golomb(self, *values):
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code

    def align(self):
        self.text += "0" * (-len(self.text) % 8)

    def unit(self, header: int) -> bytes:
        self.put(1)
        self.align()
        content = int(self.text, 2).to_bytes(len(self.text) // 8, "big")
        escaped, zeros = bytearray(), 0
        for byte in content:
            if zeros >= 2 and byte <= 3:
                escaped.append(3)
                zeros = 0
            escaped.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes([header]) + escaped


def parameters() -> bytes:
    sequence, pictures = Bits(), Bits()
    sequence.put(77, 0, 30, width=8)  # main profile
    sequence.golomb(0, 0, 2, 1)  # times follow from numbers of frames, one reference
    sequence.put(0)
    sequence.golomb(WIDTH // 16 - 1, FIELD_ROWS - 1)
    sequence.put(0, 0, 1, 1)  # fields, not mixed in macroblocks; the end is cut off
    sequence.golomb(0, 0, 0, (32 * FIELD_ROWS - HEIGHT) // 4)
    sequence.put(0)
    pictures.golomb(0, 0)
    pictures.put(0, 0)
    pictures.golomb(0, 0, 0)
    pictures.put(0, 0, 0)
    pictures.golomb(0, 0, 0)
    pictures.put(1, 0, 0)
    return sequence.unit(0x67) + pictures.unit(0x68)


def field(planes, number: int, bottom: int) -> bytes:
    """One field of a frame; the top field of each `KEY_DISTANCE`-th frame is a key."""
    key = number % KEY_DISTANCE == 0 and not bottom
    bits = Bits()
    bits.golomb(0, 7, 0)
    bits.put(number % KEY_DISTANCE, width=4)
    bits.put(1, bottom)
    if key:
        bits.golomb(number // KEY_DISTANCE % 2)
    bits.put(*([0, 0] if key else [0]))
    bits.golomb(0, 1)  # no deblocking
    for row in range(FIELD_ROWS):
        for column in range(WIDTH // 16):
            bits.golomb(25)
            bits.align()
            for plane, side in zip(planes, (16, 8, 8), strict=True):
                lines = plane[bottom::2][row * side : (row + 1) * side, column * side : (column + 1) * side]
                bits.put(*lines.flatten().tolist(), width=8)
    return bits.unit(0x65 if key else 0x61)


def write_fields(path, count: int):
    """Write pictures 0, 1, ... as a raw stream."""
    content = parameters()
    for number in range(count):
        frame = VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(format="yuv420p")
        levels = frame.to_ndarray()  # three planes below each other
        chroma = levels[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
        planes = [
            np.pad(plane, ((0, 32 * FIELD_ROWS * len(plane) // HEIGHT - len(plane)), (0, 0)), mode="edge")
            for plane in (levels[:HEIGHT], *chroma)
        ]
        planes[1:] = [plane[: 16 * FIELD_ROWS] for plane in planes[1:]]
        content += field(planes, number, 0) + field(planes, number, 1)
    path.write_bytes(content)
    return path
