"""The page in a real browser: first use, frames, import, fits, and two tabs."""

from pathlib import Path

import numpy as np
import pytest

from scripts.one_shot.held_out import describe_fit
from tests.annotator.browser import Hands, needs_browser, saved_points, until_shown
from tests.annotator.parts import FRAMES, SIZE, frames, give, in_stroke

pytestmark = needs_browser

LINE = (30, 30), (70, 42)


def test_a_folder_of_frames_is_shown(hands):
    assert hands.page.title() == "clip · Annotator"
    assert "96, 12 frames, 24 per second" in hands.page.inner_text("#subtitle")
    assert hands.page.inner_text("#frame-of") == "(0 to 11)"
    hands.until("annotator.view.fitted")
    for x, y in ((10, 20), (50, 48)):
        there = frames()[0][y, x].astype(int)
        until_shown(hands, [x + 0.5, y + 0.5], lambda colour, there=there: np.abs(colour - there).max() < 14)
    hands.go(6)
    assert hands.page.inner_text("#seconds") == "0:00.25"


@pytest.mark.parametrize("way", ["click", "key"])
def test_a_frame_is_used_as_drawn(hands, annotator, way):
    hands.add()
    give(annotator.session, {5: np.ones(SIZE, np.uint8)}, drawn=())
    hands.until("annotator.store.frames.has(5)")
    hands.go(5)
    hands.page.click("#key") if way == "click" else hands.key("k")
    hands.saved()
    assert annotator.session.document.given == [5]


def test_the_brush_has_a_size_that_suits_the_video(hands, annotator):
    assert hands.first_radius == 2  # a fortieth of its height
    limits = hands.js("(({ min, max }) => [min, max])(document.getElementById('size'))")
    assert limits == ["0.5", "20"]


def test_tools_do_not_move_what_is_below_their_options(hands):
    def below():
        return [hands.page.locator(f"#{name}").bounding_box() for name in ("size", "opacity", "mend")]

    places = []
    for key in "bepxscgzv":
        hands.key(key)
        places.append(below())
    assert places == places[:1] * 9


def test_the_help_lists_mouse_and_modifiers(hands):
    hands.key("?")
    text = hands.page.inner_text("#help-dialog")
    for what in ("Right button", "Middle button", "Wheel", "Ctrl click", "Double click", "Alt", "Shift"):
        assert what in text


def test_edits_without_a_server_are_kept_and_sent_later(hands, annotator):
    hands.add()
    hands.page.route("**/api/edit", lambda route: route.abort())
    hands.go(2)
    hands.drag(*LINE, wait=False)
    hands.go(5)
    hands.drag((100, 20), (100, 70), wait=False)
    hands.until_text("saved", "2 changes are not saved yet")
    assert annotator.session.document.touched == []
    hands.page.unroute("**/api/edit")
    hands.until("annotator.store.frames.size === 2")
    assert annotator.session.document.touched == [2, 5]


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


def test_every_control_has_a_name_and_nothing_is_loaded_from_elsewhere(hands, annotator):
    asked = []
    hands.page.on("request", lambda request: asked.append(request.url))
    hands.open(annotator.url)
    hands.add()
    for key in ("?", "Control+e"):
        hands.key(key)
        nameless = hands.js(
            "[...document.querySelectorAll('button, input, canvas, a, [role]')].filter(e =>"
            " e.checkVisibility() && !(e.ariaLabel || e.getAttribute('aria-labelledby')"
            " || e.textContent.trim() || e.labels?.length"
            " || ['status', 'alert'].includes(e.getAttribute('role')))).map(e => e.outerHTML)"
        )
        assert nameless == []
        hands.key("Escape")
    origin = annotator.url.partition("/?")[0]
    assert [url for url in asked if not url.startswith((origin, "blob:", "data:"))] == []


def test_a_network_is_fitted_again_and_its_verdict_stays(hands, annotator, monkeypatch):
    fits = []

    def fit(command, job, seconds):
        fits.append(sorted(path.name for path in (annotator.workspace / "fit/masks").iterdir()))
        Path(command[command.index("--output") + 1]).write_text("the network")
        return describe_fit({1: 0.37}, [1])

    monkeypatch.setattr("scripts.annotator.weights._run", fit)
    hands.drag(*LINE)
    annotator.session.edit({"kind": "change", "object": 1, "name": "left hand"})
    assert not hands.page.is_visible("#fit-again")
    hands.key("t", "Enter")  # which begins none of the offers
    dialog = hands.page.inner_text("#weights-dialog")
    for offer in ("Download the published weights", "Fit a network", "Continue by hand"):
        assert offer in dialog
    hands.page.wait_for_timeout(100)
    assert annotator.session.jobs.current is None
    hands.page.click("#weights-fit")
    hands.until("annotator.store.model.kind === 'fitted' && annotator.store.job.state === 'done'")
    annotator.session.jobs.start("propagate", lambda job: "Done.")
    hands.until("annotator.store.job.kind === 'propagate' && annotator.store.job.state === 'done'")
    for _ in range(2):
        hands.until("document.getElementById('verdict').checkVisibility()")
        assert hands.page.inner_text("#verdict-list").split("\n") == ["left hand", "37 %, weak"]
        assert hands.page.is_visible("#verdict-advice")
        hands.page.reload()
        hands.saved()
    hands.go(3)
    hands.drag(*LINE)
    hands.page.click("#fit-again")
    hands.page.click("#weights-fit")
    hands.until("annotator.store.job?.number === 3 && annotator.store.job.state === 'done'")
    assert fits == [["00000.png"], ["00000.png", "00003.png"]]


def test_the_first_stroke_adds_an_object_and_allows_propagation(hands, annotator):
    assert "press K on a frame" in hands.page.inner_text("#propagate-why")
    hands.key("t")
    hands.until_text("toasts", "Draw an object on a frame")
    label = hands.js("annotator.store.next.label")
    hands.drag(*LINE)
    assert hands.js("annotator.store.objects.map(each => each.name)") == [f"Object {label}"]
    assert np.array_equal(hands.labels() == label, in_stroke(saved_points(annotator), 12))
    assert hands.page.inner_text("#propagate-why") == ""
    assert hands.page.is_enabled("#propagate")


def test_the_timeline_and_keys_move_through_the_video(hands):
    hands.add()
    for frame in (2, 7):
        hands.go(frame)
        hands.drag(*LINE)
    hands.saved()
    hands.key("Home")
    steps = ((".", 2), (".", 7), (",", 2), ("Shift+ArrowRight", 11), ("ArrowLeft", 10), ("End", 11))
    for key, frame in steps:
        hands.key(key)
        hands.until_frame(frame)
    box = hands.page.locator("#timeline").bounding_box()
    hands.page.mouse.click(box["x"] + box["width"] * 4.5 / FRAMES, box["y"] + 10)
    hands.until_frame(4)
    hands.key("Home", " ")
    hands.until("annotator.store.playing")
    hands.until(f"!annotator.store.playing && annotator.view.shown.frame === {FRAMES - 1}")


def test_arrow_keys_move_through_a_group_that_has_the_focus(hands):
    for focused, key, done in (
        ("[data-tool=brush]", "ArrowRight", "annotator.store.tool === 'eraser'"),
        ("[data-tool=eraser]", "ArrowLeft", "annotator.store.tool === 'brush'"),
        ("[data-direction=both]", "ArrowDown", "annotator.store.direction === 'forward'"),
        ("[data-direction=forward]", "ArrowUp", "annotator.store.direction === 'both'"),
    ):
        hands.page.focus(focused)
        hands.key(key)
        hands.until(done)
        assert hands.js("document.activeElement.getAttribute('aria-checked')") == "true"
    assert hands.js("annotator.store.frame") == 0
