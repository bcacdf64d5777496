"""A page of the annotator in a real browser, for tests: the video it shows and the person who uses it."""

import json

import pytest

from tests.annotator_browser import Annotator, Hands, browser
from tests.annotator_parts import write_frames


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

    def opened():
        contexts.append(chromium.new_context(viewport={"width": 1366, "height": 768}))
        return contexts[-1].new_page()

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def hands(annotator, new_page):
    person = Hands(new_page(), annotator.url)
    yield person
    assert person.problems == []


def last_entry(workspace):
    """Return the last line of the log of edits."""
    return json.loads((workspace / "edits.jsonl").read_text().splitlines()[-1])


def shown_pixels(hands, *points):
    """Return the colours on the canvas at positions of the video."""
    return hands.js(
        "(points => { const c = document.getElementById('view'), r = devicePixelRatio, v = annotator.view;"
        "return points.map(([x, y]) => [...c.getContext('2d').getImageData("
        "Math.floor((v.x + x * v.scale) * r), Math.floor((v.y + y * v.scale) * r), 1, 1).data]"
        ".slice(0, 3)); })"
        f"({json.dumps(points)})"
    )
