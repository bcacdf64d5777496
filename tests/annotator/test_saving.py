"""A change is saved, waits in view until it can be saved, or is undone with the reason."""

import errno

import numpy as np

from scripts.annotator import edits
from scripts.annotator.session import Session
from tests.annotator.browser import Annotator, Hands, needs_browser, shown_pixels
from tests.annotator.parts import in_stroke

pytestmark = needs_browser

LINE = (30, 30), (70, 42)
OTHER = (100, 20), (100, 70)


def status(hands):
    return hands.page.inner_text("#saved")


def disk_is_full(self, raw):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_change_that_cannot_be_saved_waits_in_view(hands, annotator, monkeypatch):
    hands.add()
    bare = shown_pixels(hands, (40, 33))[0]
    with monkeypatch.context() as broken:
        broken.setattr(Session, "edit", disk_is_full)
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
    monkeypatch.setitem(edits._MODELS, "stroke", edits._MODELS["polygon"])
    hands.page.mouse.click(*hands.screen(30, 30))
    hands.until_text("saved", "Not saved: points of stroke is wrong: List should have at least 3 items")
    assert not hands.js("annotator.pending.length")
    assert not hands.js("annotator.store.frames.size")
    monkeypatch.setitem(edits._MODELS, "change", edits._MODELS["swap"])
    hands.page.get_by_label("Name of object 1").fill("hen")
    hands.key("Enter")
    hands.until_text("saved", "Not saved: other of change is wrong")
    assert hands.page.get_by_label("Name of object 1").input_value() == "Object 1"
    monkeypatch.undo()
    hands.page.focus("#view")
    hands.drag(*LINE)
    assert hands.labels().any()


def test_a_change_waits_while_the_page_is_logged_out(hands, annotator):
    hands.add()
    hands.page.context.clear_cookies()
    hands.drag(*LINE, wait=False)
    hands.until_text("saved", "Open the address with the token")
    assert annotator.session.document.touched == []
    other = hands.page.context.new_page()
    other.goto(annotator.url)
    other.close()
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
