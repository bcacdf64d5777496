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
