"""A page of the annotator in a real browser, for tests: the video it shows and the person who uses it."""

import pytest

from tests.annotator.browser import Annotator, Hands, browser
from tests.annotator.parts import write_frames


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_frames(tmp_path_factory.mktemp("video") / "clip")


@pytest.fixture
def annotator(video, tmp_path):
    started = Annotator(video, tmp_path / "w")
    yield started
    started.close()


@pytest.fixture
def new_page(chromium):
    contexts = []

    def opened(**options):
        contexts.append(chromium.new_context(viewport={"width": 1366, "height": 768}, **options))
        return contexts[-1].new_page()

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def hands(annotator, new_page):
    person = Hands(new_page(), annotator.url)
    yield person
    assert person.problems == []


@pytest.fixture(scope="module")
def kept(chromium, video, tmp_path_factory):
    """A server and its page that the tests of a module share, which saves starting them for each."""
    started = Annotator(video, tmp_path_factory.mktemp("kept") / "w")
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    yield started, Hands(context.new_page(), started.url)
    context.close()
    started.close()


@pytest.fixture
def shared(kept):
    """The module's page as it was opened: everything is undone, on frame 0, with the brush."""
    annotator, hands = kept
    yield hands
    assert hands.problems == []
    hands.js(
        "document.querySelector('dialog[open]')?.close(), document.getElementById('toasts').replaceChildren()"
    )
    hands.key("Escape", "a", "Home", "b")
    annotator.session.jobs.cancel(wait=True)
    while annotator.session.document.undoable is not None:
        annotator.session.undo()
    hands.until("annotator.store.undo === null")
    hands.saved()


@pytest.fixture
def session_of(kept):
    return kept[0].session
