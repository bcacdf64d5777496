"""Journeys through propagation in a real browser, with the weights of the tests."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from tests.annotator.browser import Annotator, Hands, needs_browser
from tests.annotator.parts import FRAMES, Server, mask_files

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
    while running.session.document.undoable:
        running.session.undo()
    person = Hands(new_page(), running.url)
    person.add()
    yield person
    assert person.problems == []


def children_of(process):
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


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


@pytest.mark.slow
def test_a_propagation_in_a_range_and_a_direction(hands, running):
    draw_disc(hands, 4)
    hands.mark_range(2, 6)
    hands.page.get_by_role("radio", name="Forward").click()
    hands.propagate()
    assert hands.done() == "done"
    assert running.session.document.touched == [4, 5, 6]
    hands.page.get_by_role("radio", name="Backward").click()
    hands.page.click("#propagate")
    hands.until("annotator.store.frames.size === 5")
    assert running.session.document.touched == [2, 3, 4, 5, 6]


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


def test_a_scribble_becomes_a_mask(hands, running):
    hands.key("s")
    hands.drag((42, 48), (58, 50))
    hands.drag((90, 20), (140, 20), button="right")
    hands.saved()
    found = hands.labels() > 0
    assert found[48, 50]
    assert not found[20, 90:140].any()
    hands.key("Control+z", "Control+z")
    assert not hands.labels().any()


@pytest.mark.slow
def test_results_of_a_killed_server_stay(new_page, video, tmp_path, weights_file):
    arguments = (video, "--workspace", tmp_path / "w", "--model", weights_file, "--size", 48)
    server = Server(*arguments)
    hands = Hands(new_page(), server.url)
    hands.add()
    draw_disc(hands, 0)
    hands.propagate()
    hands.until("annotator.store.frames.size >= 4")
    children = children_of(server.process.pid)
    assert children
    server.kill()
    end = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < end, "a process is still there"
        time.sleep(0.05)
    entries = [json.loads(line) for line in (tmp_path / "w/edits.jsonl").read_text().splitlines()]
    found = [entry["frame"] for entry in entries if entry["kind"] == "result"]
    files = mask_files(tmp_path / "w")
    server = Server(*arguments, port=server.port)
    hands.saved()
    assert sorted(hands.js("[...annotator.store.frames.keys()]")) == sorted([0, *found])
    hands.propagate()
    assert hands.done() == "done"
    hands.until(f"annotator.store.frames.size === {FRAMES}")
    now = mask_files(tmp_path / "w")
    assert all(now[path] == content for path, content in files.items() if int(path.stem) in found)
    assert hands.problems == []
    server.stop()
