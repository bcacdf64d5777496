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


def test_the_first_stroke_makes_object_1(shared, kept):
    label = shared.js("annotator.store.next.label")
    shared.drag(*LINE)
    assert shared.js("annotator.store.objects.map(each => each.name)") == [f"Object {label}"]
    assert np.array_equal(shared.labels() == label, in_stroke(last_entry(kept[0].workspace)["points"], 12))


def test_propagation_that_cannot_be_says_why_and_what_to_do(shared):
    assert "press K on a frame" in text(shared, "propagate-why")
    shared.key("t")
    shared.until("document.getElementById('toasts').textContent.startsWith('Draw an object on a frame')")
    shared.drag(*LINE)
    assert text(shared, "propagate-why") == ""
    assert shared.page.is_enabled("#propagate")


def test_the_options_of_tools_do_not_move_what_is_below(shared):
    def places():
        return [shared.page.locator(name).bounding_box() for name in ("#opacity", "#objects", "#propagate")]

    shared.drag(*LINE)
    before = places()
    for tool in shared.js("[...document.querySelectorAll('[data-tool]')].map(each => each.dataset.tool)"):
        shared.page.click(f"[data-tool={tool}]")
        assert places() == before


def test_enter_begins_no_download(shared, session_of):
    shared.drag(*LINE)
    shared.key("t", "Enter")
    shared.page.wait_for_timeout(100)
    assert session_of.jobs.current is None
    assert shared.page.is_visible("#weights-fetch")
    background = "getComputedStyle(document.getElementById('weights-fit')).backgroundColor"
    assert shared.js(background) != shared.js(
        background.replace("'weights-fit')", "'weights-fit').closest('.offer')")
    )


def test_the_title_follows_a_job_and_a_notice_ends_it(shared, session_of):
    going = True

    def fit(job):
        while going:
            job.show(2, 5, "20 s of 0:50")
            time.sleep(0.02)
        return "A network has been fitted."

    session_of.jobs.start("fit", fit)
    shared.until("document.title === '40 % · clip · Annotator'")
    assert text(shared, "job-text") == "Fitting a network: 20 s of 0:50"
    going = False
    shared.until("document.querySelector('#toasts .good')?.textContent === 'A network has been fitted.'")
    assert shared.page.title() == "clip · Annotator"


def test_frames_are_counted_from_0_to_the_last_one(shared):
    shared.key("End")
    shared.until("document.getElementById('frame').value === '11'")
    assert text(shared, "frame-of") == "(0 to 11)"


@pytest.mark.parametrize(
    ("focused", "key", "done"),
    [
        ("[data-tool=brush]", "ArrowRight", "annotator.store.tool === 'eraser'"),
        ("[data-tool=brush]", "ArrowLeft", "annotator.store.tool !== 'brush'"),
        ("[data-direction=both]", "ArrowDown", "annotator.store.direction === 'forward'"),
        ("[data-direction=forward]", "ArrowUp", "annotator.store.direction === 'both'"),
    ],
)
def test_arrow_keys_move_through_a_group_that_has_the_focus(shared, focused, key, done):
    shared.page.focus(focused)
    shared.key(key)
    shared.until(done)
    assert shared.js("document.activeElement.getAttribute('aria-checked')") == "true"
    assert shared.js("annotator.store.frame") == 0


def test_undo_is_offered_while_the_first_polygon_is_open(shared):
    shared.key("n", "p")
    shared.until("annotator.store.objects.length === 1")
    shared.js("annotator.store.undo = null")
    shared.click(*LINE[0])
    assert shared.page.is_enabled("#undo")
    shared.page.click("#undo")
    shared.until("annotator.view.draft === null")
    assert not shared.page.is_enabled("#undo")


def test_help_names_the_mouse_and_its_modifiers(shared):
    shared.key("?")
    help_text = text(shared, "help-dialog")
    assert all(
        word in help_text for word in ("Right button", "Alt", "Shift", "Double click", "Middle button")
    )


def test_an_object_added_here_is_chosen_also_when_all_is_loaded_again(shared, session_of):
    session_of.edit({"kind": "add", "name": "other", "colour": "#e69f00"})
    shared.until("annotator.store.objects.length === 1")
    shared.js("annotator.store.revision -= 1")  # the page has missed a change, and so loads the whole state
    shared.key("n")
    shared.until("annotator.store.objects.length === 2")
    assert shared.js("annotator.store.active === annotator.store.objects[1].label")
