"""What a person meets first: the first stroke, buttons that say why, jobs that say how far they are."""

import time

import numpy as np
import pytest

from tests.annotator.browser import last_entry, needs_browser
from tests.annotator.parts import in_stroke

pytest_plugins = ["tests.annotator.page"]
pytestmark = needs_browser

LINE = (30, 30), (70, 42)


def text(hands, name):
    return hands.page.inner_text(f"#{name}")


def test_the_first_stroke_makes_object_1(hands, annotator):
    label = hands.js("annotator.store.next.label")
    hands.drag(*LINE)
    assert hands.js("annotator.store.objects.map(each => each.name)") == [f"Object {label}"]
    assert np.array_equal(hands.labels() == label, in_stroke(last_entry(annotator.workspace)["points"], 12))


def test_propagation_that_cannot_be_says_why_and_what_to_do(hands):
    assert "press K on a frame" in text(hands, "propagate-why")
    hands.key("t")
    hands.until("document.getElementById('toasts').textContent.startsWith('Draw an object on a frame')")
    hands.drag(*LINE)
    assert text(hands, "propagate-why") == ""
    assert hands.page.is_enabled("#propagate")


def test_the_options_of_tools_do_not_move_what_is_below(hands):
    def places():
        return [hands.page.locator(name).bounding_box() for name in ("#opacity", "#objects", "#propagate")]

    hands.drag(*LINE)
    before = places()
    for tool in hands.js("[...document.querySelectorAll('[data-tool]')].map(each => each.dataset.tool)"):
        hands.page.click(f"[data-tool={tool}]")
        assert places() == before


def test_enter_begins_no_download(hands, annotator):
    hands.drag(*LINE)
    hands.key("t", "Enter")
    hands.page.wait_for_timeout(100)
    assert annotator.session.jobs.current is None
    dialog = text(hands, "weights-dialog")
    for offer in ("Download the published weights", "Fit a network", "Continue by hand"):
        assert offer in dialog
    background = "getComputedStyle(document.getElementById('weights-fit')).backgroundColor"
    assert hands.js(background) != hands.js(
        background.replace("'weights-fit')", "'weights-fit').closest('.offer')")
    )


def test_the_title_follows_a_job_and_a_notice_ends_it(hands, annotator):
    going = True

    def fit(job):
        while going:
            job.show(2, 5, "20 s of 0:50")
            time.sleep(0.02)
        return "A network has been fitted."

    annotator.session.jobs.start("fit", fit)
    hands.until("document.title === '40 % · clip · Annotator'")
    assert text(hands, "job-text") == "Fitting a network: 20 s of 0:50"
    going = False
    hands.until("document.querySelector('#toasts .good')?.textContent === 'A network has been fitted.'")
    assert hands.page.title() == "clip · Annotator"


def test_frames_are_counted_from_0_to_the_last_one(hands):
    hands.key("End")
    hands.until("document.getElementById('frame').value === '11'")
    assert text(hands, "frame-of") == "(0 to 11)"


@pytest.mark.parametrize(
    ("focused", "key", "done"),
    [
        ("[data-tool=brush]", "ArrowRight", "annotator.store.tool === 'eraser'"),
        ("[data-tool=brush]", "ArrowLeft", "annotator.store.tool !== 'brush'"),
        ("[data-direction=both]", "ArrowDown", "annotator.store.direction === 'forward'"),
        ("[data-direction=forward]", "ArrowUp", "annotator.store.direction === 'both'"),
    ],
)
def test_arrow_keys_move_through_a_group_that_has_the_focus(hands, focused, key, done):
    hands.page.focus(focused)
    hands.key(key)
    hands.until(done)
    assert hands.js("document.activeElement.getAttribute('aria-checked')") == "true"
    assert hands.js("annotator.store.frame") == 0


def test_undo_is_offered_while_the_first_polygon_is_open(hands):
    hands.key("n", "p")
    hands.until("annotator.store.objects.length === 1")
    hands.js("annotator.store.undo = null")
    hands.click(*LINE[0])
    assert hands.page.is_enabled("#undo")
    hands.page.click("#undo")
    hands.until("annotator.view.draft === null")
    assert not hands.page.is_enabled("#undo")


def test_help_names_the_mouse_and_its_modifiers(hands):
    hands.key("?")
    help_text = text(hands, "help-dialog")
    assert all(
        word in help_text for word in ("Right button", "Alt", "Shift", "Double click", "Middle button")
    )


def test_an_object_added_here_is_chosen_also_when_all_is_loaded_again(hands, annotator):
    annotator.session.edit({"kind": "add", "name": "other", "colour": "#e69f00"})
    hands.until("annotator.store.objects.length === 1")
    hands.js("annotator.store.revision -= 1")  # the page has missed a change, and so loads the whole state
    hands.key("n")
    hands.until("annotator.store.objects.length === 2")
    assert hands.js("annotator.store.active === annotator.store.objects[1].label")
