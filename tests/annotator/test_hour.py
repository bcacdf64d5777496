"""Memory of the server and of the page over an hour of video."""

import gc
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.annotator.browser import Hands, needs_browser
from tests.annotator.parts import Server

pytestmark = [needs_browser, pytest.mark.slow]


def resident(process):
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def test_memory_stays_flat_over_an_hour_of_video(chromium, tmp_path):
    path = tmp_path / "hour.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (160, 96))
    for index in range(90_000):
        picture = np.full((96, 160, 3), index % 200, np.uint8)
        writer.write(cv2.circle(picture, (index % 160, 48), 15, (40, 60, 230), -1))
    writer.release()
    server = Server(path, "--workspace", tmp_path / "w")
    own, page = [], []
    person = Hands(chromium.new_page(viewport={"width": 1366, "height": 768}), server.url)
    assert person.js("annotator.store.video.frames") == 90_000
    person.add()
    for step in range(600):
        person.go(150 * step)
        if step % 10 == 0:
            person.drag((40, 48), (60, 48))
        if step % 100 == 99:
            gc.collect()
            own.append(resident(server.process.pid))
            page.append(sum(person.js("Object.values(annotator.pictures.held())")) / 1e6)
    print(f"server: {', '.join(f'{value:.0f}' for value in own)} MB after every 100 jumps over the hour")
    print(f"page: {', '.join(f'{value:.0f}' for value in page)} MB of frames and masks")
    assert server.stop() == 143
    assert own[-1] < own[0] + 80
    assert max(page) < 220
    assert path.stat().st_size > 1_000_000
