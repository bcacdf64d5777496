"""Journeys through the page in a real browser: frames, exchange, and what goes wrong."""

import http.server
import json
import threading
import time

import numpy as np
import pytest

from scripts.annotator.weights import Weights
from tests.annotator.browser import Annotator, Hands, last_entry, needs_browser, until_shown
from tests.annotator.parts import FRAMES, Server, disc, frames, free_port, in_stroke, session
from tests.conftest import read_png, write_labels

pytest_plugins = ["tests.annotator.page"]
pytestmark = needs_browser

LINE = (30, 30), (70, 42)


def test_starts_on_a_folder(hands):
    assert hands.page.title() == "clip · Annotator"
    assert "96, 12 frames, 24 per second" in hands.page.inner_text("#subtitle")
    hands.until("annotator.view.fitted")
    for x, y in ((10, 20), (50, 48)):
        there = frames()[0][y, x].astype(int)
        until_shown(hands, [x + 0.5, y + 0.5], lambda colour, there=there: np.abs(colour - there).max() < 14)
    hands.key("ArrowRight")
    hands.until("annotator.view.shown.frame === 1")


def test_a_folder_has_the_frame_rate_that_is_given(new_page, video, tmp_path):
    started = Annotator(video, tmp_path / "w", fps=5)
    person = Hands(new_page(), started.url)
    assert "12 frames, 5 per second" in person.page.inner_text("#subtitle")
    person.go(6)
    assert person.page.inner_text("#seconds") == "0:01.20"
    started.close()


def test_edits_made_without_a_server_are_kept_on_their_frames_and_sent_later(hands, annotator):
    hands.add()
    hands.page.route("**/api/edit", lambda route: route.abort())
    hands.go(2)
    hands.drag(*LINE, wait=False)
    hands.go(5)
    hands.drag((100, 20), (100, 70), wait=False)
    hands.until("document.getElementById('saved').textContent.includes('2 changes are not saved yet')")
    assert annotator.session.document.touched == []
    hands.page.unroute("**/api/edit")
    hands.until("annotator.store.frames.size === 2")
    assert annotator.session.document.touched == [2, 5]


def test_the_timeline_and_keys_move_through_the_video(hands):
    hands.add()
    for frame in (2, 7):
        hands.go(frame)
        hands.drag(*LINE)
    hands.saved()
    hands.key("Home")
    for key, frame in (
        (".", 2),
        (".", 7),
        (",", 2),
        ("Shift+ArrowRight", 11),
        ("ArrowLeft", 10),
        ("End", 11),
    ):
        hands.key(key)
        hands.until(f"annotator.view.shown.frame === {frame}")
    box = hands.page.locator("#timeline").bounding_box()
    hands.page.mouse.click(box["x"] + box["width"] * 4.5 / FRAMES, box["y"] + 10)
    hands.until("annotator.view.shown.frame === 4")
    hands.key("Home", " ")
    hands.until("annotator.store.playing")
    hands.until(f"!annotator.store.playing && annotator.view.shown.frame === {FRAMES - 1}")


def test_an_object_is_taken_off_a_range(hands, annotator):
    hands.add()
    for frame in range(3, 7):
        hands.go(frame)
        hands.drag(*LINE)
    hands.go(4)
    hands.key("i")
    hands.go(5)
    hands.key("u")
    hands.until("document.getElementById('range-text').textContent === 'Frames 4 to 5'")
    hands.page.get_by_label("Remove Object 1").click()
    hands.page.click("#remove-range")
    hands.until("annotator.store.undo === 'erase'")
    hands.saved()
    assert [annotator.session.label_map(frame).any() for frame in range(3, 7)] == [True, False, False, True]


def test_reviewed_kept_and_cleared_frames(hands, annotator):
    hands.add()
    hands.drag(*LINE)
    hands.key("r")
    hands.until("document.getElementById('review').getAttribute('aria-pressed') === 'true'")
    assert annotator.session.document.state(0).reviewed
    hands.key("r")
    hands.until("document.getElementById('review').getAttribute('aria-pressed') === 'false'")
    hands.page.click("#clear")
    hands.until("!annotator.store.frames.get(0)?.present.length")
    assert annotator.session.document.given == []
    hands.key("Control+z")
    hands.until("annotator.store.frames.get(0).present.length")


def test_masks_are_imported(hands, annotator, tmp_path):
    masks = {frame: np.where(disc(frame), 2, 0) for frame in (0, 4)}
    for frame, labels in masks.items():
        write_labels(tmp_path / f"masks/{frame}.png", labels)
    hands.page.click("#import")
    hands.page.set_input_files("#import-files", sorted((tmp_path / "masks").iterdir()))
    hands.page.click("#import-start")
    hands.until("annotator.store.frames.size === 2 && !document.querySelector('dialog[open]')")
    assert np.array_equal(hands.labels(), masks[0])
    assert hands.js("annotator.store.objects.map(each => each.label)") == [2]
    (tmp_path / "masks/5.png").write_text("no picture")
    hands.page.click("#import")
    hands.page.set_input_files("#import-files", tmp_path / "masks/5.png")
    hands.page.click("#import-start")
    hands.until("document.getElementById('import-dialog').textContent.includes('cannot be read')")
    assert annotator.session.document.touched == [0, 4]


def test_two_tabs_show_the_same(hands, annotator, new_page):
    other = Hands(new_page(), annotator.url)
    hands.add()
    start = annotator.session.revision
    other.until("annotator.store.objects.length === 1")
    hands.drag(*LINE)
    other.until("annotator.store.frames.size === 1")
    assert np.array_equal(other.labels(), hands.labels())
    other.drag((100, 20), (100, 70))
    hands.until(f"annotator.store.frames.get(0).version === {start + 2}")
    assert np.array_equal(other.labels(), hands.labels())
    hands.key("Control+z")
    other.until(f"annotator.store.frames.get(0).version === {start + 1}")
    assert np.array_equal(other.labels(), hands.labels())


def test_a_page_from_another_origin_gets_and_changes_nothing(hands, annotator, tmp_path):
    (tmp_path / "site").mkdir()
    origin = annotator.url.partition("/?")[0]
    (tmp_path / "site/index.html").write_text(
        f"""<form id=f method=post enctype=text/plain action="{origin}/api/undo">
        <input name='{{"x":"' value='"}}'></form>
        <script>
        const done = [];
        const t = (name, promise) =>
          promise.then(() => done.push(name + " ok"), () => done.push(name + " no"));
        t("get", fetch("{origin}/api/state", {{credentials: "include"}}).then(r => r.json()));
        t("post", fetch("{origin}/api/undo", {{
          method: "POST", credentials: "include",
          headers: {{"Content-Type": "application/json"}}, body: "{{}}"
        }}));
        const s = new WebSocket("{origin.replace("http", "ws")}/api/events");
        s.onopen = () => done.push("socket ok"); s.onerror = () => done.push("socket no");
        const i = new Image();
        i.onload = () => done.push("image ok"); i.onerror = () => done.push("image no");
        i.src = "{origin}/frames/0.jpg";
        </script>"""
    )

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=tmp_path / "site")

        def log_message(self, *arguments):
            pass

    hands.add()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        page = hands.page.context.new_page()  # the same browser, with the cookie
        page.goto(f"http://localhost:{site.server_port}/")
        end = time.monotonic() + 20
        while len(page.evaluate("done")) < 4 and time.monotonic() < end:
            page.wait_for_timeout(20)
        assert sorted(page.evaluate("done")) == ["get no", "image no", "post no", "socket no"]
        page.evaluate("document.getElementById('f').submit()")
        page.wait_for_load_state()
        site.shutdown()
    assert len(annotator.session.document.objects) == 1


def test_every_control_has_a_name_and_nothing_comes_from_elsewhere(annotator, new_page):
    page = new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    person = Hands(page, annotator.url)
    person.add()
    for key in ("?", "Control+e"):
        person.key(key)
        nameless = person.js(
            "[...document.querySelectorAll('button, input, canvas, a, [role]')].filter(e =>"
            " e.checkVisibility() && !(e.ariaLabel || e.getAttribute('aria-labelledby')"
            " || e.textContent.trim() || e.labels?.length"
            " || ['status', 'alert'].includes(e.getAttribute('role')))).map(e => e.outerHTML)"
        )
        assert nameless == []
        person.key("Escape")
    origin = annotator.url.partition("/?")[0]
    assert [url for url in asked if not url.startswith((origin, "blob:", "data:"))] == []


@pytest.mark.slow
def test_the_server_is_killed_in_the_middle_of_a_stroke(new_page, video, tmp_path):
    server = Server(video, "--workspace", tmp_path / "w", port=free_port())
    person = Hands(new_page(), server.url)
    person.add()
    person.drag(*LINE)
    person.saved()
    first = person.labels()
    person.drag((100, 20), (100, 50), up=False)
    server.kill()
    person.page.mouse.move(*person.screen(100, 70))
    person.page.mouse.up()
    person.until("document.getElementById('saved').textContent.includes('1 change is not saved yet')")
    with session(video, tmp_path / "w") as opened:
        assert np.array_equal(opened.label_map(0), first)
    server = Server(video, "--workspace", tmp_path / "w", port=server.port)
    person.saved()
    points = last_entry(tmp_path / "w")["points"]
    assert abs(points[-1][1] - 70) < 0.2
    expected = np.where(in_stroke(points, 12), 1, first)
    assert np.array_equal(person.labels(), expected)
    person.key("Control+z")
    assert np.array_equal(person.labels(), first)
    assert person.problems == []
    server.stop()


@pytest.mark.slow
def test_weights_that_cannot_be_fetched_and_a_fit_that_is_cancelled(hands, annotator, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers there
    hands.add()
    hands.drag(*LINE)
    hands.key("t")
    hands.page.click("#weights-fetch")
    hands.until("annotator.store.job?.kind === 'download' && annotator.store.job.state === 'failed'")
    assert "cannot be fetched from here now" in hands.js("annotator.store.job.text")
    hands.key("t")
    hands.page.click("#weights-fit")
    hands.until("annotator.store.job?.kind === 'fit' && annotator.store.job.done > 0")
    hands.page.click("#cancel")
    assert hands.done() == "cancelled"
    hands.until("document.getElementById('job-text').textContent === 'Cancelled; no network was fitted.'")
    assert read_png(annotator.workspace / "fit/masks/00000.png").any()
    assert [path.name for path in (annotator.workspace / "fit").iterdir()] == ["masks"]


def test_a_network_is_fitted_again_to_what_was_drawn_since(hands, annotator, monkeypatch):
    fits = []

    def fit(session):
        fits.append(session.document.given)
        network = annotator.workspace / "fit/network.pth"
        network.parent.mkdir(exist_ok=True)
        network.write_text("the network")
        network.with_name("verdict.json").write_text(json.dumps([{"label": 1, "percent": 37, "poor": True}]))
        return "A network has been fitted."

    monkeypatch.setattr(Weights, "fit", lambda weights, job, session, minutes: fit(session))
    hands.add()
    hands.drag(*LINE)
    assert not hands.page.is_visible("#fit-again")
    hands.key("t")
    hands.page.click("#weights-fit")
    hands.until("annotator.store.model.kind === 'fitted'")
    hands.until("annotator.store.job.state === 'done'")
    hands.page.reload()
    hands.saved()
    assert " ".join(hands.page.inner_text("#verdict-list li").split()) == "Object 1 37 %: may get lost"
    hands.go(3)
    hands.drag(*LINE)
    hands.page.click("#fit-again")
    assert "takes the place of the fitted one" in hands.page.inner_text("#weights-dialog")
    hands.page.click("#weights-fit")
    hands.until("annotator.store.job?.number === 2 && annotator.store.job.state === 'done'")
    assert fits == [[0], [0, 3]]


def test_a_cancelled_export_says_that_nothing_is_left(hands, annotator):
    hands.add()
    hands.drag(*LINE)
    with annotator.session.lock:  # the export waits for it
        hands.key("Control+e")
        hands.page.click("#export-start")
        hands.until("annotator.store.job?.kind === 'export'")
        annotator.session.jobs.cancel()
    assert hands.done() == "cancelled"
    hands.until("document.getElementById('export-state').textContent === 'Cancelled; nothing was exported.'")
    assert list((annotator.workspace / "exports").iterdir()) == []
