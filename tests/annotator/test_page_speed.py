"""Times that the page needs for a frame step, a jump and a brush stroke, at 854 x 480.

python -m pytest -m slow -s -n 0 tests/annotator/test_page_speed.py
"""

import statistics

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
