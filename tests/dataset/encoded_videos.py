"""Small video files; the brightness of each frame gives its number."""

import av
import cv2
import numpy as np

HEIGHT, WIDTH = 48, 64
RAMP = np.linspace(0, 30, WIDTH)[None, :, None] + np.linspace(0, 15, HEIGHT)[:, None, None]


def picture(number: int) -> np.ndarray:
    """A smooth picture whose brightness gives its number."""
    return (RAMP + [20, 22, 24] + 4 * number).astype(np.uint8)


def number_of(read: np.ndarray) -> float:
    return (read.mean() - picture(0).mean()) / 4


def encode(path, codec="libx264", count=40, *, fmt="yuv420p", stamps=None, base=None, **options):
    """Write pictures 0, 1, ... with key frames every 8 and B-frames unless the options say otherwise."""
    x264 = {"qp": "1", "g": "8", "bf": "2", "x264-params": "scenecut=0:b-adapt=0"}
    chosen = {**(x264 if codec == "libx264" else {}), **options}
    aspect, container = chosen.pop("aspect", None), chosen.pop("container", {})
    with av.open(f"file:{path}", "w", options=container) as output:
        track = output.add_stream(codec, 25, options=chosen)
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, fmt
        if aspect is not None:
            track.codec_context.sample_aspect_ratio = aspect
        if base is not None:
            track.codec_context.time_base = base
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(format=fmt)
            if stamps is not None:
                frame.pts, frame.time_base = stamps[number], base
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    return path


def frames_of(path):
    """All frames as OpenCV reads them, in order."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (got := capture.read())[0]:
        frames.append(cv2.cvtColor(got[1], cv2.COLOR_BGR2RGB))
    return frames


def packets_of(path):
    with av.open(f"file:{path}") as video:
        return [packet for packet in video.demux(video=0) if packet.size]


def copied(path, target, stamp):
    """Copy a stream into another file; packet `number` gets the time `stamp(number)`, in frames."""
    with av.open(str(path)) as read, av.open(str(target), "w") as written:
        track = written.add_stream_from_template(read.streams.video[0])
        for number, packet in enumerate(each for each in read.demux(video=0) if each.size):
            packet.pts = packet.dts = round(stamp(number) / 25 / packet.time_base)
            packet.stream = track
            written.mux(packet)
    return target
