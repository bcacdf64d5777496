"""Fixtures: a video, a server that annotates it, and its page in a real browser."""

import shutil

import pytest

from tests.annotator.browser import Annotator, Hands, browser, undo_all
from tests.annotator.parts import work_without_trials, write_frames


@pytest.fixture(scope="package")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="package")
def video(tmp_path_factory):
    return write_frames(tmp_path_factory.mktemp("video") / "clip")


@pytest.fixture(scope="session", autouse=True)
def without_trials():
    """Skip the speed trials of computing processes, which take half a minute on a busy machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.annotator.worker.answer_requests", work_without_trials)
        yield


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
def open_page(new_page, tmp_path):
    """Start a server for a video; return it and its page."""
    servers, pages = [], []

    def opened(video, **options):
        servers.append(Annotator(video, tmp_path / "w"))
        pages.append(Hands(new_page(**options), servers[-1].url))
        return servers[-1], pages[-1]

    yield opened
    for server in servers:
        server.close()
    assert all(hands.problems == [] for hands in pages)


@pytest.fixture(scope="package")
def kept(chromium, video, tmp_path_factory):
    """A server and its page that all tests share, which saves time."""
    started = Annotator(video, tmp_path_factory.mktemp("kept") / "w")
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    yield started, Hands(context.new_page(), started.url)
    context.close()
    started.close()


@pytest.fixture
def annotator(kept, monkeypatch):
    """The shared server; its workspace is emptied after the test."""
    yield kept[0]
    monkeypatch.undo()  # before the workspace is emptied
    empty(*kept)


def empty(annotator, hands):
    session = annotator.session
    session.jobs.cancel(wait=True)
    hands.page.unroute_all()
    hands.js("annotator.view.draft = null, annotator.pending.length = 0")
    undo_all(session)
    for folder in ("fit", "exports"):
        shutil.rmtree(annotator.workspace / folder, ignore_errors=True)


@pytest.fixture
def hands(annotator, kept):
    """The shared page, opened again."""
    yield reopened(*kept)
    assert kept[1].problems == []


def reopened(annotator, hands):
    hands.js("Storage.prototype.setItem = () => {}, sessionStorage.clear()")
    hands.open(annotator.url)
    return hands
