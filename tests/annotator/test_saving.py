"""A change is saved, waits in view until it can be saved, or is undone with the reason."""

import errno

import numpy as np

from scripts.annotator import edits
from scripts.annotator.session import Session
from tests.annotator.browser import Annotator, Hands, last_entry, needs_browser, shown_pixels
from tests.annotator.parts import in_stroke

pytestmark = needs_browser

LINE = (30, 30), (70, 42)
OTHER = (100, 20), (100, 70)


def status(hands):
    return hands.page.inner_text("#saved")


def disk_is_full(self, raw):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_stroke_of_too_many_points_is_thinned(hands, annotator, monkeypatch):
    monkeypatch.setattr(edits, "MOST_POINTS", 60)
    monkeypatch.setattr("scripts.annotator.session.MOST_POINTS", 60)
    hands.page.reload()
    hands.saved()
    hands.js("annotator.store.radius = 12")
    hands.add()
    corners = [(20, 20), (140, 20), (20, 76), (140, 76)]
    hands.page.mouse.move(*hands.screen(*corners[0]))
    hands.page.mouse.down()
    for corner in corners[1:]:
        hands.page.mouse.move(*hands.screen(*corner), steps=30)
    hands.page.mouse.up()
    shown = hands.labels()
    points = last_entry(annotator.workspace)["points"]
    assert 30 <= len(points) < 60
    expected = in_stroke(corners, 12)
    assert (shown == 1)[expected].mean() > 0.95
    assert np.array_equal(shown == 1, in_stroke(points, 12))


def test_a_change_that_cannot_be_saved_waits_in_view_and_can_be_undone(hands, annotator, monkeypatch):
    hands.add()
    bare = shown_pixels(hands, (40, 33))[0]
    with monkeypatch.context() as broken:
        broken.setattr(Session, "edit", disk_is_full)
        hands.drag(*LINE, wait=False)
        hands.until_text("saved", "Not saved: ")
        while hands.js("annotator.pending.length"):
            hands.key("Control+z")
            hands.page.wait_for_timeout(50)
        hands.saved()
        hands.drag(*LINE, wait=False)
        hands.until_text("saved", "Not saved: ")
        assert "No space left" in status(hands)
        hands.drag(*OTHER, wait=False)
        hands.page.wait_for_timeout(1000)  # it is tried again meanwhile
        assert status(hands).startswith("Not saved: ")
        assert hands.js("[...document.getElementById('saved').classList].includes('lost')")
        assert shown_pixels(hands, (40, 33))[0] != bare
    shown = hands.labels()
    strokes = [each for each in annotator.session.document.history(0) if each["kind"] == "stroke"]
    assert len(strokes) == 2
    expected = [in_stroke(each["points"], 12) for each in strokes]
    assert np.array_equal(shown == 1, expected[0] | expected[1])


def test_a_refused_change_is_undone_and_the_reason_is_shown(hands, monkeypatch):
    hands.add()
    monkeypatch.setitem(edits._FIELDS, "radius", edits._within(0.5, 5))
    hands.drag(*LINE, wait=False)
    hands.until_text("saved", "Not saved: radius must be a number from 0.5 to 5.")
    assert not hands.js("annotator.pending.length")
    assert not hands.js("annotator.store.frames.size")
    monkeypatch.setattr(edits, "LONGEST_NAME", 8)
    hands.page.get_by_label("Name of object 1").fill("a name that is too long")
    hands.key("Enter")
    hands.until_text("saved", "Not saved: name must be a text of 1 to 8 characters.")
    assert hands.page.get_by_label("Name of object 1").input_value() == "Object 1"
    monkeypatch.undo()
    hands.page.focus("#view")
    hands.drag(*LINE)
    assert hands.labels().any()


def test_a_change_waits_while_the_page_is_logged_out(hands, annotator):
    hands.add()
    hands.page.context.clear_cookies()
    hands.drag(*LINE, wait=False)
    hands.until_text("saved", "Open the address, with its token")
    assert annotator.session.document.touched == []
    hands.page.context.new_page().goto(annotator.url)
    hands.saved()
    assert annotator.session.document.touched == [0]


def test_a_page_of_another_workspace_at_the_same_address_saves_nothing(video, new_page, tmp_path):
    started = Annotator(video, tmp_path / "a")
    old = Hands(new_page(), started.url)
    old.add()
    started.close()
    old.drag(*LINE, wait=False)
    started = Annotator(video, tmp_path / "b", port=started.port)
    new = Hands(old.page.context.new_page(), started.url)
    old.until_text("saved", "Another annotation is served at this address now")
    new.add()
    new.page.wait_for_timeout(1000)  # the old page tries again meanwhile
    new.saved()
    assert old.js("annotator.pending.length") == 1
    assert [entry["kind"] for entry in started.session.workspace.log.entries] == ["video"]
    assert started.session.document.touched == []
    new.page.context.close()
    started.close()
