"""Hands on the page in a real browser: clicks on rows, keys of any keyboard, fingers, and open polygons."""

import time

import numpy as np
import pytest

from scripts.annotator.jobs import Cancelled
from tests.annotator.browser import Hands, last_entry, needs_browser, shown_pixels, until_shown
from tests.annotator.parts import FRAMES, in_polygon, in_stroke

pytest_plugins = ["tests.annotator.page"]
pytestmark = needs_browser

LINE = (30, 30), (70, 42)
TRIANGLE = (100, 12), (150, 30), (110, 80)
PENTAGRAM = (80, 5), (106, 86), (37, 36), (123, 36), (54, 86)
ALT, CONTROL = 1, 2


def press(hands, key, code, modifiers=0):
    """Press a key of any keyboard: what it writes, and where it is."""
    devtools = hands.page.context.new_cdp_session(hands.page)
    for kind in ("keyDown", "keyUp"):
        devtools.send(
            "Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code, "modifiers": modifiers}
        )
    devtools.detach()


class Fingers(Hands):
    """Hands on a touch screen."""

    def __init__(self, page, url):
        super().__init__(page, url)
        self.devtools = page.context.new_cdp_session(page)

    def touch(self, kind, *points):
        """Put fingers on positions of the video, move them there, or, without any, lift them."""
        places = [dict(zip("xy", self.screen(*point), strict=True)) for point in points]
        self.devtools.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": places})


def middle(hands, selector):
    box = hands.page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_buttons_of_an_object_that_is_not_chosen_work_at_once(hands):
    hands.add(4)
    for button, done in (
        ("Hide Object 1", "annotator.store.objects[0].hidden"),
        ("Lock Object 2", "annotator.store.objects[1].locked"),
        ("Remove Object 3", "document.getElementById('remove-dialog').open"),
    ):
        hands.page.mouse.click(*middle(hands, f"[aria-label='{button}']"))
        hands.until(done)


def test_a_name_is_typed_while_results_come_in_and_runs_no_shortcut(hands, annotator):
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


def test_undo_and_redo_go_to_the_frame_that_they_change(hands):
    hands.add()
    hands.go(4)
    hands.drag(*LINE)
    for key, there in (("Control+z", False), ("Control+y", True)):
        hands.key("Home")
        hands.until("annotator.view.shown.frame === 0")
        hands.key(key)
        hands.until("annotator.view.shown.frame === 4")
        assert hands.labels().any() == there


def test_space_plays_after_a_button_was_clicked(hands):
    hands.add()
    hands.drag(*LINE)
    hands.drag((100, 20), (100, 70))
    hands.page.click("#undo")
    hands.until("annotator.store.redo === 'stroke'")
    hands.key(" ")
    hands.until(f"annotator.store.frame === {FRAMES - 1}")
    hands.saved()
    assert hands.js("annotator.store.undo") == "stroke"  # the first one


def test_undo_takes_back_the_last_corner_of_an_open_polygon(hands, annotator):
    hands.add()
    hands.drag(*LINE)
    drawn = hands.labels()
    hands.key("p")
    for corner in (*TRIANGLE, (20, 20), (30, 80)):
        hands.click(*corner)
    hands.key("Control+z")
    hands.page.click("#undo")
    hands.key("Enter")
    shown = hands.labels()
    points = last_entry(annotator.workspace)["points"]
    assert np.abs(np.array(points) - TRIANGLE).max() < 0.2
    assert np.array_equal(shown == 1, (drawn == 1) | in_polygon(points))


def test_undo_gives_up_a_polygon_of_one_corner_and_no_edit(hands):
    hands.add()
    hands.drag(*LINE)
    hands.key("p")
    hands.click(*TRIANGLE[0])
    hands.key("Control+z")
    hands.saved()
    assert hands.js("[annotator.view.draft, annotator.store.undo]") == [None, "stroke"]


def test_a_click_on_the_first_corner_closes_the_polygon(hands, annotator):
    hands.add()
    hands.key("p")
    for corner in (*TRIANGLE, (TRIANGLE[0][0] + 0.6, TRIANGLE[0][1] + 0.6)):
        hands.click(*corner)
    shown = hands.labels()
    points = last_entry(annotator.workspace)["points"]
    assert np.abs(np.array(points) - TRIANGLE).max() < 0.2
    assert np.array_equal(shown == 1, in_polygon(points))
    assert hands.js("annotator.view.draft") is None


def test_an_open_polygon_outlives_a_frame_step(hands, annotator):
    hands.add()
    hands.key("p")
    for corner in TRIANGLE[:2]:
        hands.click(*corner)
    hands.key("ArrowRight")
    hands.until("annotator.view.shown.frame === 1")
    assert hands.page.inner_text("#tool-hint") == "A polygon is open on frame 0."
    hands.key("Escape", "Enter", "Control+z")  # it is not in view
    hands.until("annotator.store.objects.length === 0")
    hands.key("Control+y")
    hands.until("annotator.store.objects.length === 1")
    hands.key("ArrowLeft")
    hands.until("annotator.view.shown.frame === 0")
    hands.click(*TRIANGLE[2])
    hands.key("Enter")
    hands.saved()
    entry = last_entry(annotator.workspace)
    assert (entry["kind"], entry["frame"]) == ("polygon", 0)
    assert np.abs(np.array(entry["points"]) - TRIANGLE).max() < 0.2


def test_a_polygon_that_crosses_itself_is_filled_as_it_is_saved(hands):
    hands.add()
    centre, arm = (80, 50), (80, 20)
    bare = shown_pixels(hands, centre, arm)
    hands.key("p")
    for corner in PENTAGRAM:
        hands.click(*corner)
    hands.page.mouse.move(*hands.screen(*PENTAGRAM[-1]))
    until_shown(hands, arm, lambda colour: colour.tolist() != bare[1])
    assert shown_pixels(hands, centre)[0] == bare[0]
    hands.key("Enter")
    shown = hands.labels()
    assert (shown[centre[1], centre[0]], shown[arm[1], arm[0]]) == (0, 1)


def test_escape_closes_a_dialog_and_ends_no_fit(hands, annotator):
    def fit(job):
        while True:
            job.show(0, 1)
            time.sleep(0.01)

    annotator.session.jobs.start("fit", fit)
    hands.until("annotator.store.job?.state === 'running'")
    hands.key("?", "Escape", "Escape")
    hands.page.wait_for_timeout(200)
    assert hands.js("annotator.store.job.state") == "running"
    assert annotator.session.jobs.running is not None
    hands.page.click("#cancel")
    assert hands.done() == "cancelled"


def test_escape_ends_a_propagation(hands, annotator):
    def propagate(job):
        while not job.stop.is_set():
            time.sleep(0.01)
        raise Cancelled

    annotator.session.jobs.start("propagate", propagate)
    hands.until("annotator.store.job?.state === 'running'")
    hands.key("Escape")
    assert hands.done() == "cancelled"


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


def test_a_latin_letter_is_not_taken_by_its_place(hands):
    hands.add()
    press(hands, "d", "KeyH")  # Dvorak
    press(hands, "!", "Digit1", 8)  # with Shift
    press(hands, "r", "KeyR", ALT)
    hands.saved()
    assert hands.js("[annotator.store.objects[0].hidden, annotator.store.frames.size]") == [False, 0]


@pytest.fixture
def fingers(annotator, new_page):
    person = Fingers(new_page(has_touch=True), annotator.url)
    yield person
    assert person.problems == []


def test_one_finger_draws(fingers, annotator):
    fingers.add()
    fingers.touch("Start", LINE[0])
    fingers.touch("Move", LINE[1])
    fingers.touch("End")
    fingers.until("annotator.store.frames.size === 1")
    shown = fingers.labels()
    points = last_entry(annotator.workspace)["points"]
    assert np.abs(np.array(points)[[0, -1]] - LINE).max() < 1
    assert np.array_equal(shown == 1, in_stroke(points, 12))


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
    for point, place in zip([(70, 48), (90, 48)], places, strict=True):  # what was under them still is
        assert fingers.screen(*point) == pytest.approx(place, abs=3)
    fingers.touch("End")
    fingers.saved()
    assert fingers.js("annotator.view.draft") is None
    assert annotator.session.document.touched == []
    fingers.key("b")
    fingers.drag((70, 48), (80, 48))
    assert annotator.session.document.touched == [0]


def test_a_second_finger_does_not_drop_what_the_first_has_drawn(fingers, annotator):
    fingers.add()
    fingers.touch("Start", LINE[0])
    fingers.touch("Move", LINE[1])
    fingers.touch("Start", LINE[1], (120, 80))
    fingers.touch("End")
    fingers.until("annotator.store.frames.size === 1")
    fingers.saved()
    assert annotator.session.label_map(0)[36, 50]


def test_space_that_was_held_when_the_window_lost_the_focus_is_forgotten(hands, annotator):
    hands.add()
    hands.page.keyboard.down(" ")
    hands.until("document.getElementById('view').classList.contains('pan')")
    hands.js("dispatchEvent(new Event('blur'))")  # a page under test always has the focus
    hands.drag(*LINE)
    assert annotator.session.document.touched == [0]
