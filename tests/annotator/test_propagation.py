"""Journeys through propagation in a real browser, with the weights of the tests."""

import numpy as np
import pytest

from tests.annotator.browser import Annotator, Hands, needs_browser, undo_all
from tests.annotator.parts import FRAMES

pytestmark = needs_browser


@pytest.fixture(scope="module")
def running(video, tmp_path_factory, weights_file):
    """One server for all tests: its computing process takes seconds to start."""
    started = Annotator(video, tmp_path_factory.mktemp("annotator") / "w", weights_file, size=48)
    yield started
    started.close()


@pytest.fixture
def hands(new_page, running):
    """A page of a workspace in which everything has been undone."""
    undo_all(running.session)
    person = Hands(new_page(), running.url)
    person.add()
    yield person
    assert person.problems == []


def draw_disc(hands, frame):
    hands.go(frame)
    hands.drag((40 + 4 * frame, 48), (60 + 4 * frame, 48))


def label_maps(running):
    return [running.session.label_map(frame).copy() for frame in range(FRAMES)]


def same(some, others):
    return [np.array_equal(a, b) for a, b in zip(some, others, strict=True)]


def test_propagate_then_undo_and_redo_across_it(hands, running):
    draw_disc(hands, 4)
    before = label_maps(running)
    hands.propagate()
    assert hands.done() == "done"
    hands.until(f"annotator.store.frames.size === {FRAMES}")
    after = label_maps(running)
    assert np.array_equal(after[4], before[4])
    assert not all(same(before, after))
    hands.go(7)
    assert np.array_equal(hands.labels(), after[7])
    hands.key("Control+z")
    hands.until("annotator.store.frames.size === 1")
    assert not hands.labels().any()
    assert all(same(label_maps(running), before))
    hands.key("Control+Shift+z")
    hands.until(f"annotator.store.frames.size === {FRAMES}")
    assert np.array_equal(hands.labels(), after[7])
    assert all(same(label_maps(running), after))


def test_a_propagation_is_cancelled_corrected_and_done_again(hands, running):
    draw_disc(hands, 0)
    hands.propagate()
    hands.until("annotator.store.frames.size >= 3")
    hands.page.click("#cancel")
    assert hands.done() == "cancelled"
    kept = running.session.document.touched
    assert 3 <= len(kept) < FRAMES
    hands.go(2)
    hands.key("e")
    hands.drag((0, 20), (159, 20))
    hands.key("b")
    draw_disc(hands, 2)
    corrected = hands.labels()
    hands.propagate()
    assert hands.done() == "done"
    hands.until(f"annotator.store.frames.size === {FRAMES}")
    assert np.array_equal(running.session.label_map(2), corrected)
    assert running.session.document.given == [0, 2]
