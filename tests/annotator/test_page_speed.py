"""Times of a frame step, a jump and a brush stroke at 854 x 480, and memory over an hour of video.

python -m pytest -m slow -s -n 0 tests/annotator/test_page_speed.py
"""

import gc
import statistics
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.annotator.browser import Hands, needs_browser
from tests.annotator.parts import Server
from tests.conftest import write_video

pytestmark = [needs_browser, pytest.mark.slow]

FRAMES = 300
# milliseconds from each event of a kind to the first picture that was painted after it
LISTEN = """(kind) => {
  annotator.times = [];
  addEventListener(kind, (event) => {
    const { timeStamp } = event;
    const seen = new PerformanceObserver((list) => {
      const shows = (mark) => mark.startTime > timeStamp && mark.detail.frame === annotator.store.frame;
      const painted = list.getEntries().find(shows);
      if (!painted) return;
      annotator.times.push(painted.startTime - timeStamp);
      seen.disconnect();
    });
    seen.observe({ type: "mark" });
  }, { capture: true });
}"""


def pictures():
    chance = np.random.default_rng(0)
    noise = chance.integers(0, 256, (60, 107, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)[:, :854]
    return [np.roll(noise, 3 * index, axis=1) for index in range(FRAMES)]


def test_a_step_to_the_next_frame_is_quicker_than_a_jump(chromium, tmp_path):
    write_video(tmp_path / "clip.mp4", pictures(), "mp4v")
    server = Server(tmp_path / "clip.mp4", "--workspace", tmp_path / "w")
    taken = {}
    hands = Hands(chromium.new_page(viewport={"width": 1366, "height": 768}), server.url)
    hands.add()

    def timed(what, kind, action, count):
        hands.page.evaluate(LISTEN, kind)
        for step in range(count):
            action(step)
        taken[what] = hands.js("annotator.times")

    def step(_):
        hands.key("ArrowRight")
        hands.until("annotator.view.shown.frame === annotator.store.frame")
        hands.page.wait_for_timeout(40)

    def jump(index):
        hands.page.locator("#frame").fill(str(index * 97 % FRAMES))
        hands.page.keyboard.press("Enter")
        hands.until("annotator.view.shown.frame === annotator.store.frame")

    timed("step", "keydown", step, 100)
    hands.open(server.url)
    timed("brush", "pointermove", lambda row: hands.drag((300, 40 + 8 * row), (500, 40 + 8 * row)), 40)
    hands.open(server.url)
    timed("jump", "keydown", jump, 100)
    server.stop()
    for what, times in taken.items():
        print(f"{what}: {statistics.median(times):.1f} ms, worst {max(times):.1f}, of {len(times)}")
    assert statistics.median(taken["step"]) < statistics.median(taken["jump"])


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
