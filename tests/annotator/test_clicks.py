"""Clicks, boxes and words on the page, with the tests' own promptable models."""

import http.server
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from scripts.annotator.segmenters import Segmenters
from scripts.annotator.settings import WorkerSettings
from scripts.annotator.tasks import Tasks
from tests.annotator.browser import Annotator, Hands, needs_browser, undo_all, until_shown
from tests.annotator.parts import add, disc, give, in_stroke, session, stroke, write_frames
from tests.promptable_models import FILES, Colours, Flood, cache, put_weights, work_with_them
from util.errors import InputError

NETWORKS = "flood", "colours"
LEFT, RIGHT, BESIDE = (45.5, 48.5), (65.5, 48.5), (20.5, 80.5)
LINE = [[100.0, 80.0], [130.0, 90.0]]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """The clip, in whose first frame a green bar cuts the disc in two."""
    return write_frames(tmp_path_factory.mktemp("video") / "clip", np.s_[:, 56:60])


def halves():
    columns = np.arange(160)
    return disc(0) & (columns < 56), disc(0) & (columns >= 60)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def running(video, home, tmp_path_factory):
    """A server whose computing process knows the models of the tests, but has no weights of them."""
    with pytest.MonkeyPatch.context() as patch, cache(home):
        patch.setattr("scripts.annotator.worker.answer_requests", work_with_them)
        server = Annotator(video, tmp_path_factory.mktemp("w") / "w", size=48, networks=NETWORKS)
        yield server
        server.close()


@pytest.fixture
def hands(running, new_page):
    """A page of the server, in which everything has been undone, with the Click tool."""
    undo_all(running.session)
    person = Hands(new_page(), running.url)
    person.add()
    person.key("c")
    yield person
    assert person.problems == []


class Weights(http.server.BaseHTTPRequestHandler):
    """Serves the weights of the models, from an event on."""

    is_open = threading.Event()

    def do_GET(self):
        self.is_open.wait()
        content = FILES[self.path.strip("/").removesuffix(".onnx")]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@needs_browser
def test_grabcut_is_used_until_the_weights_are_downloaded(hands, running, home, monkeypatch):
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Weights)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    for blob in Flood._blobs.values():
        monkeypatch.setattr(blob, "url", blob.url.replace(":9/", f":{served.server_port}/"))
    hands.key("s")
    hands.drag((42, 48), (50, 50))
    hands.drag((90, 20), (140, 20), button="right")
    found = hands.labels() == 1
    assert found[48, 50] and not found[20, 90:140].any()
    hands.key("Control+z", "Control+z", "c")
    hands.until("!annotator.store.frames.size")
    assert "(by GrabCut)" in hands.page.inner_text("#tool-hint")
    hands.click(*LEFT)
    found = hands.labels() == 1
    assert (found & disc(0)).sum() > 0.4 * disc(0).sum()
    hands.page.click("#click-fetch")
    assert "Licence: No licence" in hands.page.inner_text("#network-dialog")
    hands.page.click("#network-fetch")
    hands.until("annotator.store.job?.kind === 'fetch'")
    hands.page.click("#cancel")
    running.session.jobs.current.stop.wait()
    Weights.is_open.set()
    assert hands.done() == "cancelled"
    assert not any(path.is_file() for path in home.rglob("sha256*"))
    hands.page.click("#click-fetch")
    hands.page.click("#network-fetch")
    hands.until("document.getElementById('click-fetch').hidden")
    hands.click(*RIGHT)
    left, right = halves()
    assert np.array_equal(hands.labels() == 1, left | right)
    served.shutdown()


@needs_browser
def test_clicks_make_an_object_and_correct_a_result(hands, running):
    left, right = halves()
    put_weights(Flood)
    hands.click(*LEFT)
    assert np.array_equal(hands.labels() == 1, left)
    hands.click(*RIGHT)
    assert np.array_equal(hands.labels() == 1, left | right)
    hands.click(65.5, 40.5, button="right")
    assert np.array_equal(hands.labels() == 1, left)
    hands.drag((65.5, 40.5), BESIDE)
    assert np.array_equal(hands.labels() == 1, left | right)
    hands.key("Control+z")
    assert np.array_equal(hands.labels() == 1, left)
    hands.click(65.5, 40.5, button="right")  # on the point: it goes
    assert np.array_equal(hands.labels() == 1, left | right)
    hands.page.mouse.click(*hands.screen(80, -1))
    hands.until_text("toasts", "outside of the picture")
    result = disc(2) & (np.arange(160) < 58)  # a propagation lost half of the disc
    give(running.session, {2: result.astype(np.uint8)}, drawn=())
    hands.until("annotator.store.frames.has(2)")
    hands.go(2)
    assert np.array_equal(hands.labels() == 1, result)
    hands.click(*RIGHT)
    assert np.array_equal(hands.labels() == 1, disc(2))


@needs_browser
def test_a_preview_a_box_and_a_word(hands, running):
    left, right = halves()
    put_weights(Flood, Colours)
    hands.open(running.url)
    hands.page.mouse.move(*hands.screen(*LEFT))
    mixed = 0.6 * np.array((230, 60, 40)) + 0.4 * np.array((0xE6, 0x9F, 0x00))
    until_shown(hands, (45.5, 60.5), lambda colour: np.abs(colour - mixed).max() < 12)
    assert not running.session.document.touched
    hands.key("g")
    hands.drag((31, 28), (55.9, 69))
    assert np.array_equal(hands.labels() == 1, left)
    hands.page.fill("#find-word", "red")
    hands.page.keyboard.press("Enter")
    hands.until("annotator.store.objects.length === 2")
    assert hands.js("annotator.store.objects[1].name") == "red 1"
    assert np.array_equal(hands.labels(), left + 2 * right)
    hands.until("document.activeElement.id === 'view'")  # and no longer the field of the word
    hands.page.keyboard.press("Control+z")
    hands.until("annotator.store.objects.length === 1")
    hands.page.fill("#find-word", "dog")
    hands.page.keyboard.press("Enter")
    hands.until_text("toasts", "found no new object for 'dog'")


@pytest.fixture
def clicks(video, tmp_path):
    """A session and what makes its masks, in this process."""
    with cache(tmp_path / "home", Flood), session(video, tmp_path / "w") as opened:
        add(opened, "a", "b")
        settings = WorkerSettings(video, tmp_path, tmp_path, 48, "cpu", "float32", False, *NETWORKS)
        tasks = Tasks(opened, None, settings)
        tasks.segmentation.worker = SimpleNamespace(ask=Segmenters(settings).run)
        yield SimpleNamespace(session=opened, tasks=tasks)


def click(*clicks, label=1, frame=0):
    return {"kind": "click", "frame": frame, "object": label, "clicks": [list(each) for each in clicks]}


def test_clicks_add_to_the_mask_before_the_first_click(clicks):
    left, right = halves()
    by_hand = in_stroke(LINE, 5.0)
    clicks.session.edit(stroke(LINE))
    for given, expected in (
        ([(*RIGHT, 1)], by_hand | right),
        ([(*RIGHT, 1), (*LEFT, 1)], by_hand | right | left),
        ([(*LEFT, 1)], by_hand | left),
        ([], by_hand),
        ([(*RIGHT, 1)], by_hand | right),
    ):
        change = clicks.tasks.edit(click(*given))
        assert np.array_equal(clicks.session.label_map(0) == 1, expected)
        assert change["frames"][0][5] == {"object": 1, "clicks": given}
    clicks.tasks.edit(click((*LEFT, 1), label=2))
    assert np.array_equal(clicks.session.label_map(0) == 2, left)
    clicks.session.edit({"kind": "undo"})
    assert clicks.session.state()["frames"][0][5]["clicks"] == [(*RIGHT, 1)]


def test_wrong_clicks_are_refused_and_change_nothing(clicks, video):
    clicks.tasks.edit(click((*LEFT, 1)))
    clicks.session.edit({"kind": "change", "object": 2, "locked": True})
    before = clicks.session.label_map(0).copy()
    content = (video / "00003.png").read_bytes()
    (video / "00003.png").write_bytes(content[:200])
    for edit, sentence in (
        (click((400, 3, 1)), "outside of the picture of 160 x 96"),
        (click((*BESIDE, 0), frame=1), "click on the object first"),
        (click((*LEFT, 1), label=2), "b is locked: unlock it first"),
        (click((*LEFT, 1), frame=3), "00003.png"),
    ):
        with pytest.raises(InputError, match=sentence):
            clicks.tasks.edit(edit)
    (video / "00003.png").write_bytes(content)
    assert np.array_equal(clicks.session.label_map(0), before)
    assert clicks.session.document.touched == [0]
