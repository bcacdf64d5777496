"""How soon the picture follows the hand, and that memory stays flat; prints what the README states.

python -m pytest -m slow -s -n 0 tests/annotator/test_speed.py
"""

import gc
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.annotator.browser import Annotator, Hands, browser, needs_browser
from tests.annotator.parts import Server
from tests.evaluation.test_propagate_video import write_video

pytestmark = [needs_browser, pytest.mark.slow]

WATCH = """(() => {
  window.times = [];
  window.begun = null;
  for (const kind of ["keydown", "pointermove"])
    addEventListener(kind, event => { begun ??= event.timeStamp; }, true);
  new PerformanceObserver(list => {
    for (const mark of list.getEntriesByName("painted")) {
      if (begun === null || mark.startTime < begun) continue;
      if (window.wanted !== undefined && mark.detail.frame !== wanted) continue;
      times.push(mark.startTime - begun);
      begun = null;
    }
  }).observe({ type: "mark" });
})()"""


def moving_picture(index, height=480, width=854):
    small = np.random.default_rng(7).integers(0, 255, (height // 20, width // 20, 3), np.uint8)
    picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.circle(
        np.roll(picture, 3 * index, axis=1), (100 + 5 * index % 600, 240), 60, (230, 60, 40), -1
    )


def press(person, keys_and_frames):
    """Press keys and return how long each took to show its frame, in ms."""
    person.js("window.times = [], 0")
    for count, (key, frame) in enumerate(keys_and_frames, start=1):
        person.js(f"window.wanted = {frame}, window.begun = null, 0")
        person.key(key)
        person.until(f"times.length === {count}")
        person.page.wait_for_timeout(30)
    return person.js("times")


def stated(name, times):
    print(f"{name}: median {np.median(times):.1f} ms, worst {max(times):.1f} ms of {len(times)}")
    return np.median(times)


def test_time_from_key_to_picture(tmp_path):
    write_video(tmp_path / "clip.mp4", [moving_picture(index) for index in range(60)], "mp4v")
    started = Annotator(tmp_path / "clip.mp4", tmp_path / "w")
    with browser() as chromium:
        person = Hands(chromium.new_page(viewport={"width": 1366, "height": 768}), started.url)
        person.add()
        for frame in (10, 30):
            person.go(frame)
            person.drag((200, 200), (400, 300))
        person.go(0)
        person.js(WATCH)
        there = [("Shift+ArrowRight", frame) for frame in range(10, 60, 10)]
        back = [("Shift+ArrowLeft", frame) for frame in range(49, 0, -10)]
        jumps = press(person, [*there, ("End", 59), *back])
        person.go(0)
        steps = press(person, [("ArrowRight", frame) for frame in range(1, 60)])
        person.js("window.times = [], window.wanted = undefined, 0")
        person.page.mouse.move(*person.screen(200, 200))
        person.page.mouse.down()
        for index in range(100):
            person.js("window.begun = null, 0")
            person.page.mouse.move(*person.screen(200 + 3 * index, 200 + 40 * np.sin(index / 9)))
            person.page.wait_for_timeout(20)
        strokes = person.js("times")
        person.page.mouse.up()
        person.saved()
        chromium.close()
    started.close()
    assert len(strokes) > 60
    stated("jump to a frame that the page does not have", jumps)
    assert stated("frame step", steps) < 1500
    assert stated("brush stroke", strokes) < 500


def resident(process):
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def test_memory_stays_flat_over_an_hour_of_video(tmp_path):
    path = tmp_path / "hour.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (160, 96))
    for index in range(90_000):
        picture = np.full((96, 160, 3), index % 200, np.uint8)
        writer.write(cv2.circle(picture, (index % 160, 48), 15, (40, 60, 230), -1))
    writer.release()
    server = Server(path, "--workspace", tmp_path / "w")
    own, page = [], []
    with browser() as chromium:
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
        chromium.close()
    assert server.stop() == 143
    assert own[-1] < own[0] + 80
    assert max(page) < 220
    assert path.stat().st_size > 1_000_000
