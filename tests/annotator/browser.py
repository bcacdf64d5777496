"""The page of the annotator in a real browser, and the actions of a person on it."""

import json
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from scripts.annotator.run import listening
from scripts.annotator.server import application
from scripts.annotator.settings import WorkerSettings
from scripts.annotator.tasks import Tasks
from scripts.annotator.weights import Weights
from tests.annotator.parts import session

CHROMIUM = Path("/usr/bin/chromium")  # of the distribution, so that Playwright need not download one
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
PATIENCE = 60  # seconds to wait, on a busy machine

needs_browser = pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"there is no browser at {CHROMIUM}")


@contextmanager
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)


class Annotator:
    """A server in a thread, which starts quickly; tests that kill a server use `parts.Server`."""

    def __init__(self, video, workspace, weights=None, size=480, precision="float32", port=None, networks=()):
        self.workspace = workspace
        self.ready = threading.Event()
        arguments = video, workspace, weights, size, precision, port, networks
        self.thread = threading.Thread(target=self._run, args=arguments, daemon=True)
        self.thread.start()
        assert self.ready.wait(PATIENCE)

    def _run(self, video, workspace, weights, size, precision, port, networks):
        with session(video, workspace) as self.session, listening("127.0.0.1", port, 0) as sock:
            settings = WorkerSettings(video, workspace, workspace, size, "cpu", precision, False, *networks)
            flags = ["--device", "cpu", "--precision", precision]
            published, fitted = weights or workspace / "none.pth", workspace / "fit/network.pth"
            known = Weights(published, fitted, size, flags)
            tasks = Tasks(self.session, known, settings)
            self.port, self.token = sock.getsockname()[1], self.session.workspace.token
            self.url = f"http://127.0.0.1:{self.port}/?token={self.token}"
            app = application(self.session, tasks, "127.0.0.1")
            self.server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
            tasks.start()
            self.ready.set()
            try:
                self.server.run(sockets=[sock])
            finally:
                tasks.close()

    def close(self):
        self.server.should_exit = True
        self.thread.join(PATIENCE)


class Hands:
    """The actions of a person on the page; positions are in pixels of the video."""

    def __init__(self, page, url):
        self.page = page
        self.problems = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.open(url)

    def open(self, url):
        self.page.goto(url)
        self.until("window.annotator?.store.video && annotator.view.shown.frame >= 0")
        self.first_radius = self.js("annotator.store.radius")
        self.js("annotator.store.radius = 12")
        self.saved()

    def js(self, expression):
        return self.page.evaluate(expression)

    def until(self, expression, seconds=PATIENCE):
        """Wait until an expression is true in the page, and return it."""
        end = time.monotonic() + seconds
        while not (value := self.page.evaluate(expression)):
            assert time.monotonic() < end, f"never: {expression}"
            self.page.wait_for_timeout(15)
        return value

    def wait_for(self, is_so, seconds=PATIENCE):
        """Wait until a function returns true."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end
            self.page.wait_for_timeout(15)

    def in_view(self, selector):
        """Wait until all of an element is on the screen, outside of no scrolled list."""
        from playwright.sync_api import expect

        expect(self.page.locator(selector)).to_be_in_viewport(ratio=0.99)

    def until_text(self, name, part):
        """Wait until an element shows a text."""
        self.until(f"document.getElementById({name!r}).textContent.includes({part!r})")

    def until_frame(self, frame):
        self.until(f"annotator.view.shown.frame === {frame}")

    def saved(self):
        self.until("document.getElementById('saved').textContent === 'Saved'")

    def key(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def screen(self, x, y):
        """Return where a position of the video is on the screen."""
        left, top, scale, aspect = self.js(
            "(() => { const r = document.getElementById('view').getBoundingClientRect(), v = annotator.view;"
            "return [r.left + v.x, r.top + v.y, v.scale, annotator.store.video.pixel_aspect]; })()"
        )
        return left + x * scale * aspect, top + y * scale

    def add(self, count=1):
        for _ in range(count):
            before = self.js("annotator.store.objects.length")
            self.key("n")
            self.until(f"annotator.store.objects.length === {before + 1}")
        frame = "await new Promise(requestAnimationFrame);"  # the picture moves when the timeline grows
        self.js(f"(async () => {{ {3 * frame} }})()")

    def drag(self, *points, button="left", up=True, wait=True):
        self.page.mouse.move(*self.screen(*points[0]))
        self.page.mouse.down(button=button)
        for point in points[1:]:
            self.page.mouse.move(*self.screen(*point), steps=4)
        if up:
            self.page.mouse.up(button=button)
            if wait:
                self.saved()

    def click(self, x, y, **how):
        self.page.mouse.click(*self.screen(x, y), **how)
        self.saved()

    def go(self, frame):
        self.page.locator("#frame").fill(str(frame))
        self.page.keyboard.press("Enter")
        self.until(f"annotator.store.frame === {frame} && annotator.view.shown.frame === {frame}")

    def mark_range(self, first, last):
        self.go(first)
        self.key("i")
        self.go(last)
        self.key("u")

    def choose_masks(self, files):
        """Import mask files."""
        self.page.click("#import")
        self.page.set_input_files("#import-files", files)
        self.page.click("#import-start")

    def propagate(self):
        """Start a propagation by key."""
        before = self.js("annotator.store.job?.number ?? 0")
        self.key("t")
        self.until(f"annotator.store.job?.number > {before}")

    def done(self):
        """Wait until the job is over, and return how it ended."""
        self.until("annotator.store.job.state !== 'running'")
        self.saved()
        return self.js("annotator.store.job.state")

    def labels(self):
        """Return the labels that the page shows, H x W."""
        self.saved()
        self.until("annotator.pictures.heldLabels(annotator.store.frame) !== undefined")
        values = self.js(
            "(labels => labels ? [...labels] : null)(annotator.pictures.heldLabels(annotator.store.frame))"
        )
        height, width = self.js("[annotator.store.video.height, annotator.store.video.width]")
        if values is None:
            return np.zeros((height, width), np.uint8)
        return np.array(values, np.uint8).reshape(height, width)


def undo_all(session):
    """Undo all edits; the next object is Object 1, and the next job the first."""
    while session.document.undoable:
        session.edit({"kind": "undo"})
    session.document._largest_label = session.jobs._started = 0
    session.jobs.current = None


def last_entry(workspace):
    """Return the last line of the log of edits."""
    return json.loads((workspace / "edits.jsonl").read_text().splitlines()[-1])


def saved_points(annotator, wanted=None, by=0.2):
    """Return the points of the last edit, which must be near the points that a person meant."""
    points = last_entry(annotator.workspace)["points"]
    assert wanted is None or np.abs(np.array(points) - wanted).max() < by
    return points


def shown_pixels(hands, *points):
    """Return the colours on the canvas at positions of the video."""
    return _pixels(
        hands,
        "const v = annotator.view, wide = v.scale * annotator.store.video.pixel_aspect;"
        "const places = points.map(([x, y]) => [v.x + x * wide, v.y + y * v.scale]);",
        "view",
        points,
    )


def timeline_pixels(hands, *points):
    """Return the colours on the timeline at positions in CSS pixels, N x 3."""
    return np.array(_pixels(hands, "const places = points;", "timeline", points))


def _pixels(hands, places, canvas, points):
    return hands.js(
        f"(points => {{ {places} const target = document.getElementById('{canvas}').getContext('2d');"
        "return places.map(place => [...target.getImageData("
        "...place.map(x => Math.floor(x * devicePixelRatio)), 1, 1).data].slice(0, 3)); })"
        f"({json.dumps([list(map(float, point)) for point in points])})"
    )


def until_shown(hands, point, wanted):
    """Wait until a position of the video has a wanted colour: the canvas is drawn a little later."""
    hands.wait_for(lambda: wanted(np.array(shown_pixels(hands, point)[0])))
