"""Masks are corrected on the page: they are copied, shifted and scaled, and their edges changed."""

import threading

import numpy as np
import pytest

from scripts.annotator import remaking
from tests.annotator.browser import needs_browser, shown_pixels, until_shown
from tests.annotator.parts import SIZE, give, label_maps

pytestmark = needs_browser

LINE = (30, 30), (50, 42)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]


@pytest.fixture
def drawn(hands):
    """A page with an object drawn on frame 0, and its mask."""
    hands.js("document.getElementById('mend').open = true")
    hands.drag(*LINE)
    return hands, hands.labels() > 0


def test_keys_copy_a_mask_from_the_previous_the_next_and_the_nearest_drawn_frame(drawn, annotator):
    hands, first = drawn
    hands.go(5)
    hands.drag((100, 40), (110, 60))
    fifth = hands.labels() > 0
    for frame, key, expected in ((1, "q", first), (4, "y", fifth), (3, "d", fifth), (7, "d", fifth)):
        hands.go(frame)
        hands.key(key)
        assert np.array_equal(hands.labels() > 0, expected)
        assert annotator.session.document.given == sorted({0, 5, frame})
        hands.key("Control+z")
        assert not hands.labels().any()
    for frame, expected in ((2, first), (3, fifth)):  # and not from frame 2, which is a copy itself
        hands.go(frame)
        hands.key("d")
        assert np.array_equal(hands.labels() > 0, expected)
    hands.go(9)
    hands.key("q")
    hands.until_text("toasts", "previous frame has no mask")


def test_a_mask_is_dragged_and_scaled_with_the_shift_tool(drawn):
    hands, first = drawn
    hands.key("z")
    hands.drag((40, 36), (70, 56), up=False)
    until_shown(hands, [70.5, 56.5], lambda colour: colour[0] > 110)  # orange already
    hands.page.mouse.up()
    moved = np.roll(first, (20, 30), axis=(0, 1))
    assert np.array_equal(hands.labels() > 0, moved)
    rows, columns = np.nonzero(moved)
    middle = (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2
    hands.page.keyboard.down("Shift")
    hands.drag((middle[0] + 20, middle[1]), (middle[0] + 30, middle[1]))
    hands.page.keyboard.up("Shift")
    larger = hands.labels() > 0
    rows = ((Y + 0.5 - middle[1]) / 1.5 + middle[1]).astype(int)
    columns = ((X + 0.5 - middle[0]) / 1.5 + middle[0]).astype(int)
    expected = moved[rows, columns]
    assert (larger & expected).sum() / (larger | expected).sum() > 0.96


def test_arrow_keys_shift_and_scale_a_mask_on_the_range(drawn, annotator):
    hands, first = drawn
    hands.key("Control+c", "Control+Shift+v")
    hands.until_text("toasts", "Choose a range")
    hands.key("ArrowRight", "Control+v", "i", "ArrowRight", "u", "Control+Shift+v")
    hands.saved()
    hands.page.click("[data-scope=range]")
    hands.key(*["Control+ArrowRight"] * 3, "Control+ArrowUp")
    hands.until("annotator.store.undo === 'move'")
    moved = np.roll(first, (-1, 3), axis=(0, 1))
    assert np.array_equal(label_maps(annotator.session)[:3], [first, moved, moved])
    hands.key(*["Control+Shift+ArrowUp"] * 4)
    hands.key("ArrowLeft")  # leaving the frame saves it at once
    hands.saved()
    assert label_maps(annotator.session)[2].sum() > moved.sum()
    hands.page.click("[data-scope=frame]")


@pytest.mark.parametrize("how", ["grow", "shrink", "smooth", "holes", "specks"])
def test_edges_are_previewed_and_changed_on_a_range(hands, annotator, how):
    """Of a square with a spike, a hole and a speck."""
    before = np.zeros(SIZE, bool)
    before[20:60, 40:80] = before[40, 80:90] = before[80, 100:104] = True
    before[30, 50:54] = False
    hands.js("document.getElementById('mend').open = true")
    hands.add()
    give(annotator.session, dict.fromkeys(range(4), before.astype(np.uint8)))
    hands.until("annotator.store.frames.size === 4")
    hands.mark_range(1, 2)
    after = remaking.REFINEMENTS[how](before, 5)
    row, column = np.argwhere(after != before)[0]
    there = [column + 0.5, row + 0.5]
    unchanged = np.array(shown_pixels(hands, there)[0])
    hands.page.select_option("#edges-how", how)
    hands.page.fill("#edges-amount", "5")
    until_shown(hands, there, lambda colour: np.abs(colour - unchanged).max() > 20)
    changed = (after != before).sum()
    hands.until(f"document.getElementById('edges-state').textContent.includes(' {changed} pixels')")
    assert np.array_equal(label_maps(annotator.session)[2], before)
    hands.page.click("[data-scope=range]")
    hands.page.click("#edges-apply")
    hands.until("annotator.store.undo === 'refine' && document.getElementById('edges-how').value === ''")
    assert np.array_equal(label_maps(annotator.session)[:4], [before, after, after, before])
    assert np.array_equal(hands.labels() > 0, after)
    hands.page.click("[data-scope=frame]")
    hands.page.select_option("#edges-how", how)
    hands.until("annotator.view.preview")
    hands.page.focus("#view")
    hands.key("Escape")
    hands.until("annotator.view.preview === null")


def test_a_click_on_a_mask_selects_its_object_which_is_named_moved_and_merged(drawn):
    hands, _ = drawn
    hands.add()
    hands.drag((120, 70), (130, 70))
    shown = hands.labels()
    one, two = hands.js("annotator.store.objects.map(each => each.label)")
    for tool in ("v", "z", "b"):
        hands.key(tool)
        if tool == "b":
            hands.page.keyboard.down("Control")
        for place, label in (((40, 36), one), ((125, 70), two)):
            hands.click(*place)
            assert hands.js("annotator.store.active") == label
    hands.page.keyboard.up("Control")
    assert np.array_equal(hands.labels(), shown)
    hands.key("1")
    hands.page.get_by_label(f"Class, order and merging of Object {two}").click()
    hands.page.fill("#object-category", "dog")
    hands.page.click("#object-up")
    hands.until("annotator.store.objects[0].category === 'dog'")
    hands.until("document.getElementById('object-up').disabled")
    assert hands.js("annotator.store.objects.map(each => each.name)") == [f"Object {two}", f"Object {one}"]
    assert hands.js("annotator.store.active") == one
    hands.page.select_option("#object-into", str(two))
    hands.page.click("#object-merge")
    hands.until("annotator.store.objects.length === 1 && !document.querySelector('dialog[open]')")


def test_a_change_of_all_frames_can_be_cancelled(drawn, annotator, monkeypatch):
    hands, first = drawn
    hands.key("Control+c", "ArrowRight", "i", "End", "u", "Control+Shift+v")
    hands.saved()
    before, grow, computing = label_maps(annotator.session), remaking.REFINEMENTS["grow"], threading.Event()
    monkeypatch.setitem(remaking.REFINEMENTS, "grow", lambda *mask: computing.wait() and grow(*mask))
    hands.page.select_option("#edges-how", "grow")
    hands.page.click("[data-scope=all]")
    hands.page.click("#edges-apply")
    hands.until("document.getElementById('job-text').textContent === 'Changing masks: frame 0'")
    assert np.array_equal(label_maps(annotator.session), before)  # and the session is free
    hands.page.click("#cancel")
    annotator.session.jobs.current.stop.wait()
    computing.set()
    hands.until_text("saved", "Cancelled; no mask was changed.")
    assert np.array_equal(label_maps(annotator.session), before)
    assert [path.name for path in (annotator.workspace / "masks").glob("staged*")] == []
    hands.page.click("#edges-apply")
    hands.until("annotator.store.undo === 'refine'")
    assert np.array_equal(label_maps(annotator.session), [remaking.grown(first, 2)] * 12)
