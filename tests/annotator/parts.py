"""A small video, its annotation without a server, and expected masks."""

import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from model.fast_inference import trials
from scripts.annotator.pictures import Pictures
from scripts.annotator.session import Session
from scripts.annotator.worker import answer_requests
from scripts.annotator.workspace import open_workspace
from tests.conftest import ROOT

WIDTH, HEIGHT, FRAMES = 160, 96, 12
SIZE = HEIGHT, WIDTH


def frames():
    """A bright disc that moves over a gradient, 12 x 96 x 160 x 3."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    made = []
    for index in range(FRAMES):
        picture = np.stack([x, y, (x + y) // 2], axis=2).astype(np.uint8)
        picture[disc(index)] = (230, 60, 40)
        made.append(picture)
    return np.stack(made)


def disc(index):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return (x - 50 - 4 * index) ** 2 + (y - 48) ** 2 < 20**2


def write_frames(folder, bar=None):
    """Write the video as PNGs, with a green bar at a position of the first one."""
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames()):
        if index == 0 and bar is not None:
            frame[bar] = (20, 240, 20)
        Image.fromarray(frame).save(folder / f"{index:05}.png")
    return folder


@contextmanager
def session(video, workspace, fps=None):
    pictures = Pictures(video, fps)
    with open_workspace(workspace, pictures) as opened:
        yield Session(opened, pictures)


def add(session, *names):
    for name in names:
        session.edit({"kind": "add", "name": name, "colour": "#e69f00"})


def stroke(points, frame=0, label=1, radius=5.0, erase=False):
    made = {"kind": "stroke", "frame": frame, "object": label, "points": points, "radius": radius}
    return {**made, "erase": erase}


def give(session, masks, drawn=None):
    """Set label maps by frame, as an import does; those of `drawn` frames, all by default, count as drawn."""
    about = {}
    for frame, labels in masks.items():
        shown = np.unique(labels[labels > 0]).tolist()
        about[str(frame)] = {"labels": shown, "drawn": shown if drawn is None or frame in drawn else []}
    session.write_masks({"kind": "masks", "frames": about, "objects": []}, masks)


def propagate(session, masks, first=0, last=FRAMES - 1):
    """Put masks in as a propagation does."""
    number = session.workspace.log.next_number
    session.write({"kind": "propagate", "first": first, "last": last, "forward": True, "backward": True})
    return [session.add_result(number, frame, labels) for frame, labels in masks.items()]


def label_maps(session):
    """Return the label maps of all frames, 12 x 96 x 160."""
    return np.stack([session.label_map(frame) for frame in range(FRAMES)])


def in_stroke(points, radius, size=SIZE):
    """Return the pixels whose centres are at most a radius away from one of the lines."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    result = np.zeros(size, bool)
    for (x0, y0), (x1, y1) in list(pairwise(points)) or [(points[0], points[0])]:
        along = (x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)
        t = np.clip(along / (((x1 - x0) ** 2 + (y1 - y0) ** 2) or 1), 0, 1)
        result |= (x - x0 - t * (x1 - x0)) ** 2 + (y - y0 - t * (y1 - y0)) ** 2 <= radius**2
    return result


def in_polygon(points, size=SIZE):
    """Return the pixels from whose centres a ray to the left crosses the outline an odd number of times."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    inside = np.zeros(size, bool)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x)
    return inside


def free_port():
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Server:
    """The annotator as a user starts it."""

    def __init__(self, *arguments, port=None):
        command = [sys.executable, "-m", "scripts.annotate", *map(str, arguments), "--no_browser"]
        command += ["--device", "cpu"] if "--device" not in command else []
        self.process = subprocess.Popen(
            [*command, "--port", str(port)] if port else command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        for line in self.process.stdout:
            self.output += line
            if line.startswith("Everything is saved"):
                break
        found = re.search(r"http://[^/]+:(\d+)/\?token=(\S+)", self.output)
        assert found, self.output
        self.url, self.port, self.token = found[0], int(found[1]), found[2]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()
        return self.process.returncode


def work_without_trials(pipe, *arguments):
    """Do what the computing process does, without trials of speed."""
    trials.compare = lambda usual, other, _: trials.Trial((usual[0], 0), (other[0], 0), usual[0])
    answer_requests(pipe, *arguments)


def mask_files(workspace):
    return {path.relative_to(workspace): path.read_bytes() for path in Path(workspace).glob("masks/*/*.png")}
