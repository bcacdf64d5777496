"""The page with thirteen objects: what is in view, names beside rows, colours, curves and places."""

import json

import cv2
import numpy as np
import pytest

from tests.annotator.browser import needs_browser, timeline_pixels
from tests.annotator.conftest import empty, reopened
from tests.annotator.parts import SIZE, give, propagate

pytestmark = needs_browser

COUNT = 13
ROWS = {1: {3: 4}, 6: {5: 6}, 8: {3: 12}, 9: {3: 12}, 11: {7: 8}}  # by frame: rows left of objects' masks
SMALL, LARGE = (1280, 720), (3840, 2160)


def blocks(rows):
    """Return masks of 13 objects, each 20 rows high or as high as given."""
    labels = np.zeros(SIZE, np.uint8)
    for label in range(1, COUNT + 1):
        labels[40 : 40 + rows.get(label, 20), 12 * label - 10 : 12 * label] = label
    return labels


@pytest.fixture(scope="module")
def hands(kept):
    """A page with masks drawn on frame 0, and propagated to all others."""
    annotator, hands = kept[0], reopened(*kept)
    hands.add(COUNT)
    give(annotator.session, {0: blocks({})})
    propagate(annotator.session, {frame: blocks(ROWS.get(frame, {})) for frame in range(1, 12)})
    folder = annotator.workspace / "fit"
    folder.mkdir()
    (folder / "network.pth").write_text("the network")
    verdict = [{"name": f"Object {label}", "percent": label, "poor": True} for label in range(COUNT)]
    (folder / "verdict.json").write_text(json.dumps(verdict))
    hands.page.reload()
    hands.until("annotator.store.frames.size === 12 && !document.getElementById('places').hidden")
    yield hands
    hands.page.set_viewport_size({"width": 1366, "height": 768})
    empty(*kept)
    assert hands.problems == []


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "4k"])
def window(request, hands):
    """The page in a window of a size in pixels."""
    hands.page.set_viewport_size(dict(zip(("width", "height"), request.param, strict=True)))
    hands.page.wait_for_timeout(100)
    return hands


def test_the_chosen_row_is_in_view_after_a_reload(window):
    window.key("9")
    window.js("document.getElementById('track').scrollTop = 0")
    window.page.reload()
    window.until("window.annotator?.store.active === 9")
    window.page.wait_for_timeout(200)
    window.in_view("#objects li.active")


def test_names_are_beside_the_rows_of_their_colours(window):
    heights, middles, colours = zip(
        *window.js(
            "[...document.querySelectorAll('#objects li')].map(item => {"
            "const { top, height } = item.getBoundingClientRect();"
            "const above = document.getElementById('timeline').getBoundingClientRect().top;"
            "return [height, top + height / 2 - above - 2, item.querySelector('input').value]; })"
        ),
        strict=True,
    )
    assert min(heights) >= 1.6 * window.js("parseFloat(getComputedStyle(document.body).fontSize)")
    window.js("document.getElementById('track').scrollTop = 0")
    window.go(5)
    expected = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours]
    places = [(9, middle) for middle in middles]  # of frame 0
    window.wait_for(lambda: np.abs(timeline_pixels(window, *places) - expected).max() < 3)


def test_all_that_is_said_of_a_propagation_is_in_view(hands, kept):
    hands.page.set_viewport_size({"width": 1280, "height": 720})
    for name in ("#places", "#verdict", "#verdict-advice", "#propagate"):
        hands.in_view(name)
    hands.key("Control+z", "Control+z")
    hands.until("document.getElementById('propagate-why').textContent !== ''")
    hands.in_view("#propagate-why")
    hands.key("Control+y", "Control+y")
    hands.saved()
    kept[0].session.jobs.start("fit", lambda job: job.show(1, 2, "20 s of 5:00") or str(job.stop.wait()))
    hands.until_text("job-text", "20 s of 5:00")
    hands.in_view("#job-progress")
    hands.page.click("#cancel")
    hands.done()


def test_colours_stay_apart(hands):
    colours = hands.js("annotator.store.objects.map(each => each.colour)")
    values = np.array([[[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours]])
    lab = cv2.cvtColor((values / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    away = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    assert away[~np.eye(COUNT, dtype=bool)].min() > 20


@pytest.mark.parametrize(("y", "height"), [(44 + 3, 26), (44 + 26 + 9 + 2 * 25, 22)], ids=["strip", "row"])
def test_curves_show_area_and_suspicion(hands, y, height):
    """Object 3 has three fifths of its area on frames 8 and 9: there its suspicion is two fifths."""
    hands.page.set_viewport_size({"width": 1280, "height": 720})
    hands.key("Home", "3")
    hands.js("document.getElementById('track').scrollTop = 0")
    wide = hands.page.locator("#timeline").bounding_box()["width"] / 12

    def is_shown():
        whole, less = timeline_pixels(hands, (3.5 * wide, y + 3), (8.5 * wide, y + 3))
        line = timeline_pixels(hands, *((9 * wide, y + height * 0.6 + by) for by in (-1, 0, 1)))
        return np.abs(whole - less).max() > 20 and line.min(axis=1).max() > 180

    hands.wait_for(is_shown)


def test_a_key_goes_to_the_places_of_a_propagation_the_worst_first(hands):
    assert hands.page.inner_text("#places") == "3 places to look at"
    hands.go(4)
    for frame, label in ((1, 3), (6, 5), (11, 7), (1, 3)):
        hands.key("j")
        hands.until(f"annotator.store.frame === {frame} && annotator.store.active === {label}")
    hands.key("r")  # a reviewed frame is right
    hands.until_text("places", "2 places to look at")
    hands.key("r")
