"""A long random walk through the page: whenever it says "Saved", its state and that on the disk are equal.

ANNOTATOR_WALK_SECONDS=1200 python -m pytest -m slow -s -n 0 tests/annotator/test_walk.py
"""

import os
import random
import shutil
import threading
import time
from collections import Counter

import numpy as np
import pytest

from tests.annotator.browser import Hands, last_entry, needs_browser
from tests.annotator.parts import FRAMES, HEIGHT, WIDTH, Server, free_port, session

pytestmark = [needs_browser, pytest.mark.slow]

SECONDS = float(os.environ.get("ANNOTATOR_WALK_SECONDS", "1200"))
SEED = int(os.environ.get("ANNOTATOR_WALK_SEED", "0"))
ALL_FRAMES = 10  # every tenth check compares the masks of all frames, the others those of one frame
MOST_OBJECTS = 5

STATE = """(() => {
  const { objects, frames, undo, redo, next, revision } = annotator.store;
  const rows = [...frames].map(([frame, s]) => [frame, ...Object.values(s)]);
  return { objects, frames: rows.sort((a, b) => a[0] - b[0]), undo, redo, next, revision };
})()"""
LABELS = """async (frames) => {
  const maps = [];
  for (const frame of frames) maps.push([...(await annotator.pictures.fetchLabels(frame)) ?? []]);
  return maps;
}"""


class Walker(Hands):
    """A user for whom a change may be refused: a guess may find nothing."""

    def saved(self):
        self.until(
            "!annotator.pending.length &&"
            " /^Saved$|^Not saved: /.test(document.getElementById('saved').textContent)"
        )


class Walk:
    """Random actions on one page, and the checks after each of them."""

    def __init__(self, page, video, workspace, weights, chance):
        self.page, self.video, self.workspace, self.chance = page, video, workspace, chance
        self.arguments = [video, "--workspace", self.workspace, "--model", weights, "--size", "48"]
        self.port = free_port()
        self.done, self.checks = Counter(), 0
        self.start_server()
        self.hands = Walker(page, self.server.url)

    def start_server(self):
        self.server = Server(*self.arguments, port=self.port)
        said = self.server.process.stdout
        threading.Thread(target=lambda: [None for _ in said], daemon=True).start()

    def point(self):
        return self.chance.uniform(3, WIDTH - 3), self.chance.uniform(3, HEIGHT - 3)

    def js(self, expression):
        return self.hands.js(expression)

    def choose_object(self):
        """Select an object that can be drawn; add or unlock one where there is none."""
        free = self.js("annotator.store.objects.map(o => !o.locked)")
        numbers = [str(number) for number, unlocked in enumerate(free, start=1) if unlocked]
        if numbers:
            self.hands.key(self.chance.choice(numbers))
        elif len(free) < MOST_OBJECTS:
            self.hands.add()
        else:
            self.page.locator("#objects li").first.get_by_label("Lock").click()
            self.hands.saved()
            self.hands.key("1")

    # an action returns the kind of the last entry that the log must have then, or None

    def stroke(self, up=True):
        self.choose_object()
        self.hands.key(self.chance.choice("bbe"))
        button = self.chance.choice(["left", "left", "right"])
        points = [self.point() for _ in range(self.chance.randint(1, 4))]
        self.hands.drag(*points, button=button, up=False)
        if up:
            self.page.mouse.up(button=button)
        return "stroke"

    def polygon(self):
        self.choose_object()
        self.hands.key("p")
        for corner in self.chance.sample([(x, y) for x in (20, 60, 100, 140) for y in (20, 48, 76)], 4):
            self.page.mouse.click(*self.hands.screen(*corner))
        if self.chance.random() < 0.4:
            self.hands.key("Control+z")
        self.hands.key("Enter")
        return "polygon"

    def drag(self):
        """Draw a box, a guess or a scribble."""
        self.choose_object()
        self.hands.key(self.chance.choice("xgs"))
        self.hands.drag((20, 15), (self.chance.uniform(60, 150), self.chance.uniform(50, 90)), wait=False)

    def key(self):
        """Press one of the keys that edit, or go through the video."""
        if self.js("annotator.store.objects.length") < MOST_OBJECTS and self.chance.random() < 0.1:
            return self.hands.key("n")
        self.choose_object()
        return self.hands.key(self.chance.choice(KEYS.split()))

    def go(self):
        self.hands.go(self.chance.randrange(FRAMES))

    def refine(self):
        self.choose_object()
        self.js("document.getElementById('mend').open = true")
        self.page.click(f"[data-scope={self.chance.choice(['frame', 'range', 'all'])}]")
        self.page.select_option("#edges-how", self.chance.choice(["grow", "shrink"]))
        self.page.click("#edges-apply")
        self.page.select_option("#edges-how", "")

    def propagate(self):
        if not self.page.locator("#propagate").is_enabled():
            return
        self.hands.propagate()
        self.page.wait_for_timeout(self.chance.uniform(0, 1500))
        what = self.chance.choice(["wait", "Escape", "Control+z", "stroke", "reload", "kill"])
        if what in ("stroke", "reload"):
            getattr(self, what)()
        elif what == "kill":
            self.server.kill()
            self.start_server()
        elif what != "wait":
            self.hands.key(what)

    def reload(self):
        self.hands.saved()
        self.page.reload()
        self.hands.until("window.annotator?.store.video && annotator.view.shown.frame >= 0")

    def kill(self):
        """Kill the server near the end of a stroke; the stroke must be saved in the end."""
        self.choose_object()
        when = self.chance.choice(["before", "in", "after"])
        if when == "before":
            self.server.kill()
        self.stroke(up=False)
        if when == "in":
            self.server.kill()
        self.page.mouse.up()
        self.page.mouse.up(button="right")
        if when == "after":
            self.page.wait_for_timeout(self.chance.uniform(0, 30))
            self.server.kill()
        self.start_server()
        return "stroke"

    def step(self, action):
        kind = getattr(self, action)()
        self.done[action] += 1
        self.hands.saved()
        if self.js("annotator.store.job?.state === 'running'"):
            self.hands.until("annotator.store.job?.state !== 'running'", seconds=600)
            kind = None
        self.hands.saved()
        if kind:
            assert last_entry(self.workspace)["kind"] == kind
        self.check()

    def check(self):
        """Compare the page with what a server would read from a copy of the workspace."""
        self.checks += 1
        every = self.checks % ALL_FRAMES == 0
        frames = range(FRAMES) if every else [self.js("annotator.store.frame")]
        page, maps = self.js(STATE), self.page.evaluate(LABELS, list(frames))
        copy = self.workspace.parent.parent / "copy"
        shutil.copytree(self.workspace, copy)
        with session(self.video, copy) as opened:
            state = opened.state()
            assert page == {name: state[name] for name in page}
            for frame, labels in zip(frames, maps, strict=True):
                shown = np.array(labels or np.zeros(HEIGHT * WIDTH)).reshape(HEIGHT, WIDTH)
                assert np.array_equal(shown, opened.label_map(frame))
        shutil.rmtree(copy)


ACTIONS = {
    **{"stroke": 20, "polygon": 6, "drag": 8, "key": 50, "go": 8, "refine": 4},
    **{"propagate": 3, "reload": 4, "kill": 3},
}
KEYS = (
    "Control+z Control+z Control+z Control+Shift+z Control+Shift+z h l l k r Delete q y d Control+c "
    "Control+v Control+ArrowLeft Control+Shift+ArrowUp ArrowLeft ArrowRight Home End , . i u a"
)


def test_saved_means_on_the_disk_in_a_long_random_walk(new_page, video, tmp_path, weights_file):
    chance = random.Random(SEED)
    walk = Walk(new_page(), video, tmp_path / "walk/w", weights_file, chance)
    first, actions = chance.sample(list(ACTIONS), len(ACTIONS)), []  # each once, then at random
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            actions.append(first.pop() if first else chance.choices(list(ACTIONS), ACTIONS.values())[0])
            walk.step(actions[-1])
    except BaseException:
        print(f"seed {SEED}, step {len(actions)}, after {', '.join(actions[-12:])}")
        print(f"the page says {walk.page.inner_text('#saved')!r}")
        raise
    finally:
        walk.server.kill()
        walk.page.close()
    print(f"{walk.checks} checks; {dict(walk.done)}")
    assert walk.hands.problems == []
    assert walk.checks == len(actions) > SECONDS / 20
