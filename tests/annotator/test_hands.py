"""Clicks on the rows of objects, keys of any keyboard, fingers, and open polygons, in a real browser."""

import time

import numpy as np
import pytest

from tests.annotator.browser import Hands, last_entry, needs_browser, saved_points
from tests.annotator.parts import in_polygon, in_stroke

pytestmark = needs_browser

LINE = (30, 30), (70, 42)
TRIANGLE = (100, 12), (150, 30), (110, 80)
ALT, CONTROL, SHIFT = 1, 2, 8


def press(hands, key, code, modifiers=0):
    """Press a key, given the character that it types and its position on the keyboard."""
    devtools = hands.page.context.new_cdp_session(hands.page)
    event = {"key": key, "code": code, "modifiers": modifiers}
    for kind in ("keyDown", "keyUp"):
        devtools.send("Input.dispatchKeyEvent", {"type": kind, **event})
    devtools.detach()


def middle(hands, selector):
    box = hands.page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_buttons_of_an_object_that_is_not_selected_work(hands):
    hands.add(4)
    for button, done in (
        ("Hide Object 1", "annotator.store.objects[0].hidden"),
        ("Lock Object 2", "annotator.store.objects[1].locked"),
        ("Remove Object 3", "document.getElementById('remove-dialog').open"),
    ):
        hands.page.mouse.click(*middle(hands, f"[aria-label='{button}']"))
        hands.until(done)


def test_a_name_can_be_typed_while_edits_arrive_and_runs_no_shortcut(hands, annotator):
    hands.add(2)
    hands.page.mouse.click(*middle(hands, "[aria-label='Name of object 1']"))
    hands.page.keyboard.press("Control+a")
    hands.page.keyboard.type("hen")
    annotator.session.edit({"kind": "change", "object": 2, "name": "fox"})
    hands.until("annotator.store.objects[1].name === 'fox'")
    hands.page.keyboard.type(" lark")
    hands.key("Enter")
    hands.until("annotator.store.objects[0].name === 'hen lark'")
    objects = hands.js("annotator.store.objects.map(each => [each.name, each.hidden, each.locked])")
    assert objects == [["hen lark", False, False], ["fox", False, False]]
    assert hands.page.get_by_label("Name of object 2").input_value() == "fox"


def test_escape_closes_a_dialog_and_cancels_a_propagation_but_no_fit(hands, annotator):
    def work(job):
        while True:
            job.show(2, 5, "20 s of 50")
            time.sleep(0.01)

    annotator.session.jobs.start("fit", work)
    hands.until_text("job-text", "Fitting a network: 20 s of 50")
    hands.until("document.title === '40 % · clip · Annotator'")
    hands.key("?", "Escape", "Escape")
    hands.page.wait_for_timeout(200)
    assert hands.js("annotator.store.job.state") == "running"
    assert annotator.session.jobs.running is not None
    hands.page.click("#cancel")
    assert hands.done() == "cancelled"
    annotator.session.jobs.start("propagate", work)
    hands.until("annotator.store.job.state === 'running'")
    hands.key("Escape")
    assert hands.done() == "cancelled"
    annotator.session.jobs.start("fit", lambda job: job.ended.wait(0.5) or "A network has been fitted.")
    hands.until("document.querySelector('#toasts .good')?.textContent === 'A network has been fitted.'")


KEYS = [
    ("\N{CYRILLIC SMALL LETTER U}", "KeyE", 0, "annotator.store.tool === 'eraser'"),  # Russian
    ("π", "KeyP", 0, "annotator.store.tool === 'polygon'"),  # Greek
    ("ㅌ", "KeyX", 0, "annotator.store.tool === 'box'"),  # Korean
    ("Process", "KeyS", 0, "annotator.store.tool === 'scribble'"),  # an input method
    ("e", "KeyD", 0, "annotator.store.tool === 'eraser'"),  # Dvorak: by the letter
    ("&", "Digit1", 0, "annotator.store.active === 1"),  # French
    ("-", "Digit6", 0, "annotator.view.scale < scale"),
    ("\N{CYRILLIC SMALL LETTER HA}", "BracketLeft", 0, "annotator.store.radius === 10"),  # Russian
    ("ъ", "BracketRight", 0, "annotator.store.radius === 12"),
    ("[", "Digit5", ALT, "annotator.store.radius === 10"),  # German, on a Mac
    ("]", "Digit9", ALT | CONTROL, "annotator.store.radius === 12"),  # German, on Windows
    ("b", "KeyB", 0, "annotator.store.tool === 'brush'"),
    ("я", "KeyZ", CONTROL, "annotator.store.undo === 'add' && annotator.store.redo === 'change'"),  # Russian
]


def test_shortcuts_work_on_keyboards_of_all_languages(hands):
    hands.add(6)
    hands.js("window.scale = annotator.view.scale")
    hands.key("h")
    hands.until("annotator.store.undo === 'change'")
    for key, code, modifiers, done in KEYS:
        assert not hands.js(done)
        press(hands, key, code, modifiers)
        hands.until(done)
    for key, code, modifiers in (("d", "KeyH", 0), ("!", "Digit1", SHIFT), ("r", "KeyR", ALT)):  # no shortcut
        press(hands, key, code, modifiers)
    hands.saved()
    assert hands.js("[annotator.store.objects[0].hidden, annotator.store.frames.size]") == [False, 0]


def test_undo_with_a_corner_of_a_polygon_removes_the_corner(hands, annotator):
    hands.add()
    hands.drag(*LINE)
    drawn = hands.labels()
    hands.key("p")
    hands.click(*TRIANGLE[0])
    hands.key("Control+z")
    hands.saved()
    assert hands.js("[annotator.view.draft, annotator.store.undo]") == [None, "stroke"]
    for corner in (*TRIANGLE, (20, 20), (30, 80)):
        hands.click(*corner)
    hands.key("Control+z")
    hands.page.click("#undo")
    hands.click(TRIANGLE[0][0] + 0.6, TRIANGLE[0][1] + 0.6)  # a click on the first corner closes it
    shown = hands.labels()
    points = saved_points(annotator, TRIANGLE)
    assert np.array_equal(shown == 1, (drawn == 1) | in_polygon(points))
    assert hands.js("annotator.view.draft") is None


def test_an_open_polygon_stays_when_another_frame_is_shown(hands, annotator):
    hands.add()
    hands.key("p")
    for corner in TRIANGLE[:2]:
        hands.click(*corner)
    hands.key("ArrowRight")
    hands.until_frame(1)
    assert hands.page.inner_text("#tool-hint") == "A polygon is open on frame 0."
    hands.key("Escape", "Enter", "Control+z")  # these keys do not change the polygon, which is not in view
    hands.until("annotator.store.objects.length === 0")
    hands.key("Control+y")
    hands.until("annotator.store.objects.length === 1")
    hands.key("ArrowLeft")
    hands.until_frame(0)
    hands.click(*TRIANGLE[2])
    hands.key("Enter")
    hands.saved()
    saved_points(annotator, TRIANGLE)
    entry = last_entry(annotator.workspace)
    assert (entry["kind"], entry["frame"]) == ("polygon", 0)


class Fingers(Hands):
    """Hands on a touch screen."""

    def __init__(self, page, url):
        super().__init__(page, url)
        self.devtools = page.context.new_cdp_session(page)

    def touch(self, kind, *points):
        """Put fingers on positions of the video, move them there, or, without any, lift them."""
        places = [dict(zip("xy", self.screen(*point), strict=True)) for point in points]
        self.devtools.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": places})


@pytest.fixture
def fingers(annotator, new_page):
    person = Fingers(new_page(has_touch=True), annotator.url)
    yield person
    assert person.problems == []


@pytest.mark.parametrize("tool", ["b", "p"])
def test_two_fingers_zoom_and_move_and_draw_nothing(fingers, annotator, tool):
    fingers.add()
    fingers.key(tool)
    scale = fingers.js("annotator.view.scale")
    fingers.touch("Start", (70, 48))
    fingers.touch("Start", (70, 48), (90, 48))
    target = [(50, 40), (110, 40)]
    places = [fingers.screen(*point) for point in target]
    fingers.touch("Move", *target)
    fingers.until(f"annotator.view.scale > {2.5 * scale}")
    assert fingers.js("annotator.view.scale") == pytest.approx(3 * scale, rel=0.05)
    for point, place in zip([(70, 48), (90, 48)], places, strict=True):  # the same pixels are under them
        assert fingers.screen(*point) == pytest.approx(place, abs=3)
    fingers.touch("End")
    fingers.saved()
    assert fingers.js("annotator.view.draft") is None
    assert annotator.session.document.touched == []
    fingers.key("b")
    fingers.drag((70, 48), (80, 48))
    assert annotator.session.document.touched == [0]


def test_one_finger_draws_until_a_second_one_comes(fingers, annotator):
    fingers.add()
    fingers.touch("Start", LINE[0])
    fingers.touch("Move", LINE[1])
    fingers.touch("Start", LINE[1], (120, 80))
    fingers.touch("End")
    fingers.until("annotator.store.frames.size === 1")
    shown = fingers.labels()
    points = saved_points(annotator)
    assert np.abs(np.array(points)[[0, -1]] - LINE).max() < 1
    assert np.array_equal(shown == 1, in_stroke(points, 12))
