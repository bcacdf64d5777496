"""Journeys through propagation in a real browser, with the weights of the tests."""

import numpy as np
import pytest

from tests.annotator.browser import Annotator, Hands, needs_browser, undo_all
from tests.annotator.parts import FRAMES, label_maps

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


def test_propagate_then_undo_and_redo_across_it(hands, running):
    draw_disc(hands, 4)
    hands.propagate()
    assert hands.done() == "done"
    hands.until(f"annotator.store.frames.size === {FRAMES}")
    after = label_maps(running.session)
    assert after[7].any()
    hands.go(7)
    assert np.array_equal(hands.labels(), after[7])
    hands.key("Control+z")
    hands.until("annotator.store.frames.size === 1")
    assert not hands.labels().any()
    hands.key("Control+Shift+z")
    hands.until(f"annotator.store.frames.size === {FRAMES}")
    assert np.array_equal(hands.labels(), after[7])
    assert np.array_equal(label_maps(running.session), after)


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
