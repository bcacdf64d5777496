"""Edits of a session, without a server: masks, undo and redo, propagations, and restarts."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scripts.annotator.edits import checked_edit
from scripts.annotator.jobs import Cancelled, Events, Job
from scripts.annotator.propagation import propagate as propagate_masks
from scripts.annotator.tasks import Tasks
from scripts.annotator.weights import Weights, _run
from scripts.one_shot.held_out import describe_fit
from tests.annotator.parts import (
    FRAMES,
    SIZE,
    add,
    in_polygon,
    in_stroke,
    label_maps,
    mask_files,
    propagate,
    session,
    stroke,
)
from tests.conftest import run_main
from util.errors import InputError

LINE = [[20.2, 30.0], [60.7, 41.5]]
HOOK = [[50.0, 20.0], [50.0, 70.0], [90.0, 70.0]]
TRIANGLE = [[100.0, 10.0], [150.0, 30.5], [110.5, 80.0]]


@pytest.fixture
def opened(video, tmp_path):
    """A session with two objects, the first of which is drawn on frame 0."""
    with session(video, tmp_path / "w") as opened:
        add(opened, "a", "b")
        opened.edit(stroke(LINE))
        yield opened


def polygon(points, frame=0, label=1, erase=False):
    return {"kind": "polygon", "frame": frame, "object": label, "points": points, "erase": erase}


def plain(value):
    return np.full(SIZE, value, np.uint8)


def test_masks_are_what_was_drawn_pixel_by_pixel(opened):
    opened.edit(stroke(HOOK, label=2, radius=8.5))
    opened.edit(polygon(TRIANGLE))
    opened.edit(stroke([[55.0, 40.0]], label=2, radius=6.0, erase=True))
    opened.edit({**polygon([[4.2, 60.0], [20.6, 71.9]]), "kind": "box"})
    expected = np.zeros(SIZE, np.uint8)
    expected[in_stroke(LINE, 5)] = 1
    expected[in_stroke(HOOK, 8.5)] = 2
    expected[in_polygon(TRIANGLE)] = 1
    expected[in_stroke([[55.0, 40.0]], 6) & (expected == 2)] = 0
    expected[60:72, 4:21] = 1
    assert np.array_equal(opened.label_map(0), expected)


def test_every_step_can_be_undone_and_redone_also_after_a_restart(video, tmp_path):
    steps = [
        {"kind": "add", "name": "a", "colour": "#e69f00"},
        stroke(LINE),
        stroke(HOOK, frame=3),
        {"kind": "add", "name": "b", "colour": "#56b4e9"},
        polygon(TRIANGLE, frame=3, label=2),
        {"kind": "change", "object": 1, "name": "car", "locked": True},
        stroke(LINE, frame=3, label=2),
        {"kind": "review", "first": 0, "last": 5, "on": True},
        {"kind": "change", "object": 1, "locked": False},
        {"kind": "erase", "object": 1, "first": 2, "last": 7},
        {"kind": "key", "frame": 3},
        {"kind": "remove", "object": 1},
        {"kind": "clear", "frame": 3},
    ]
    states = []

    def state(opened):
        document = opened.document
        return document.objects, [document.state(frame) for frame in range(FRAMES)], label_maps(opened)

    def equal(some, others):
        return some[:2] == others[:2] and np.array_equal(some[2], others[2])

    with session(video, tmp_path / "w") as opened:
        states.append(state(opened))
        for step in steps:
            opened.edit(step)
            states.append(state(opened))
        for _ in states[6:-1]:
            opened.edit({"kind": "undo"})
    with session(video, tmp_path / "w") as opened:
        assert equal(state(opened), states[6])
        for after in states[7:]:
            opened.edit({"kind": "redo"})
            assert equal(state(opened), after)
        for before in reversed(states[:-1]):
            opened.edit({"kind": "undo"})
            assert equal(state(opened), before)
        with pytest.raises(InputError, match="nothing to undo"):
            opened.edit({"kind": "undo"})
        opened.edit({"kind": "redo"})
        opened.edit(stroke(HOOK))
        with pytest.raises(InputError, match="nothing to redo"):
            opened.edit({"kind": "redo"})


def test_a_propagation_is_undone_in_one_step(video, tmp_path):
    with session(video, tmp_path / "w") as opened:
        add(opened, "a")
        opened.edit(stroke(LINE))
        before = label_maps(opened)
        assert propagate(opened, {frame: plain(1) for frame in range(FRAMES)}) == [True] * FRAMES
        once = label_maps(opened)
        assert np.array_equal(once[0], before[0])  # drawn frames stay
        assert once[5].all()
        opened.edit(stroke(HOOK, frame=6, erase=True))
        corrected = label_maps(opened)
        propagate(opened, {frame: plain(0) for frame in range(4, 9)}, 4, 8)
        twice = label_maps(opened)
        assert np.array_equal(twice[6], corrected[6])
        assert not twice[5].any()
        assert twice[9].all()
        opened.edit({"kind": "undo"})
        assert np.array_equal(label_maps(opened), corrected)
        opened.edit({"kind": "undo"})
        assert np.array_equal(label_maps(opened), once)
        opened.edit({"kind": "undo"})
        assert np.array_equal(label_maps(opened), before)
    with session(video, tmp_path / "w") as opened:
        for expected in (once, corrected, twice):
            opened.edit({"kind": "redo"})
            assert np.array_equal(label_maps(opened), expected)


def test_results_do_not_replace_later_edits_and_end_with_an_undo(opened):
    number = opened.workspace.log.next_number
    propagate(opened, {1: plain(1)})
    opened.edit(stroke(HOOK, frame=2))  # while the propagation runs
    expected = opened.label_map(2).copy()
    assert opened.add_result(number, 2, plain(1))
    assert np.array_equal(opened.label_map(2), expected)
    opened.edit({"kind": "undo"})
    opened.edit({"kind": "undo"})
    assert not opened.add_result(number, 3, plain(1))
    assert not opened.label_map(1).any()


def test_locked_objects_keep_their_pixels(opened):
    opened.edit({"kind": "change", "object": 1, "locked": True})
    opened.edit(stroke(LINE, label=2, radius=9.0))
    labels = opened.label_map(0)
    assert np.array_equal(labels == 1, in_stroke(LINE, 5))
    assert np.array_equal(labels == 2, in_stroke(LINE, 9) & ~in_stroke(LINE, 5))
    with pytest.raises(InputError, match="a is locked"):
        opened.edit(stroke(LINE))
    opened.edit({"kind": "clear", "frame": 0})
    assert np.array_equal(opened.label_map(0), in_stroke(LINE, 5))
    assert (opened.document.state(0).present, opened.document.state(0).drawn) == ({1}, {1})
    half = plain(2)
    half[:, :80] = 1
    opened.edit({"kind": "change", "object": 1, "locked": False})
    propagate(opened, {4: half})
    opened.edit({"kind": "change", "object": 1, "locked": True})
    propagate(opened, {4: plain(0)})
    assert np.array_equal(opened.label_map(4), np.where(half == 1, 1, 0))


def test_a_propagation_changes_no_reviewed_frame(video, tmp_path):
    """Objects stay absent where they are rightly absent, also objects that are added later."""
    with session(video, tmp_path / "w") as opened:
        add(opened, "a", "b")
        opened.edit(stroke(LINE))
        propagate(opened, {4: plain(1)})
        opened.edit({"kind": "review", "first": 4, "last": 5, "on": True})
        add(opened, "c")
        for label in (2, 3):
            propagate(opened, {frame: plain(label) for frame in (4, 5, 6)})
        assert [opened.label_map(frame).max() for frame in (4, 5, 6)] == [1, 0, 3]
        assert opened.label_map(4).all()
    with session(video, tmp_path / "w") as opened:
        opened.edit({"kind": "review", "first": 4, "last": 5, "on": False})
        propagate(opened, {frame: plain(2) for frame in (4, 5)})
        assert [opened.label_map(frame).min() for frame in (4, 5)] == [2, 2]


def test_frames_that_were_only_reviewed_are_still_propagated_to(opened):
    opened.edit({"kind": "remove", "object": 2})
    asked = []

    def ask(request):
        asked.append([gap.frames for gap in request["gaps"]])
        yield from ()

    request = {"first": 0, "last": FRAMES - 1, "forward": True, "backward": True}
    opened.edit(stroke(LINE, frame=6))
    filled = (1, 2, 3, 7, 8, 9, 10, 11)  # it was cancelled between the drawn frames
    propagate(opened, dict.fromkeys(filled, plain(1)))
    for on in (True, False):
        opened.edit({"kind": "review", "first": 4, "last": 5, "on": on})
    propagate_masks(Job(1, "propagate", Events()), opened, SimpleNamespace(ask=ask), request, {})
    assert asked == [[range(1, 6)]]


def test_an_object_removed_from_a_range_does_not_return(opened):
    both = plain(1)
    both[40:] = 2
    propagate(opened, dict.fromkeys(range(1, FRAMES), both))
    opened.edit({"kind": "erase", "object": 1, "first": 3, "last": 5})
    assert [1 in opened.document.state(frame).present for frame in (2, 3, 4, 5, 6)] == [1, 0, 0, 0, 1]
    for on in (True, False):
        propagate(opened, dict.fromkeys(range(1, FRAMES), both))
        assert [(opened.label_map(frame) == 1).any() for frame in (2, 3, 4, 5, 6)] == [1, 0, 0, 0, 1]
        assert np.array_equal(opened.label_map(4) == 2, both == 2)
        opened.edit({"kind": "review", "first": 3, "last": 5, "on": on})
    propagate(opened, dict.fromkeys(range(1, FRAMES), both))
    assert not (opened.label_map(4) == 1).any()


def test_removing_an_object_keeps_the_labels_of_the_others(opened):
    add(opened, "c")
    opened.edit(stroke(HOOK, label=2))
    opened.edit(polygon(TRIANGLE, label=3))
    before = opened.label_map(0)
    opened.edit({"kind": "remove", "object": 2})
    assert np.array_equal(opened.label_map(0), np.where(before == 2, 0, before))
    assert [each.label for each in opened.document.objects] == [1, 3]
    add(opened, "d")
    assert opened.document.objects[-1].label == 4  # masks exported before have another object 2
    with pytest.raises(InputError, match="no object 2"):
        opened.edit(stroke(HOOK, label=2))


def test_an_edit_that_is_sent_twice_is_saved_once(video, tmp_path):
    with session(video, tmp_path / "w") as opened:
        add(opened, "a")
        opened.edit({**stroke(LINE), "id": "x"})
        opened.edit({**stroke(LINE), "id": "x"})
        opened.edit({"kind": "undo", "id": "y"})
        opened.edit({"kind": "undo", "id": "y"})
        assert len(opened.document.objects) == 1
    with session(video, tmp_path / "w") as opened:
        opened.edit({**stroke(LINE), "id": "x"})
        assert not opened.label_map(0).any()


def test_an_incomplete_last_line_of_the_log_is_dropped_and_a_damaged_line_named(video, tmp_path):
    with session(video, tmp_path / "w") as opened:
        add(opened, "a")
        opened.edit(stroke(LINE))
        expected = opened.label_map(0).copy()
    path = tmp_path / "w/edits.jsonl"
    with path.open("ab") as file:
        file.write(b'{"n":4,"kind":"str')
    with session(video, tmp_path / "w") as opened:
        assert np.array_equal(opened.label_map(0), expected)
        opened.edit(stroke(HOOK))
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]
    path.write_text(path.read_text().replace('"kind":"add"', '"kind":"add'))
    with pytest.raises(InputError, match=r"line 2 of .* is damaged"), session(video, tmp_path / "w"):
        pass


def test_a_workspace_has_one_run_and_lies_outside_the_video(video, tmp_path, monkeypatch):
    with session(video, tmp_path / "w"), pytest.raises(InputError, match="another annotation is at work"):
        run_main(monkeypatch, "scripts.annotate", video, "--workspace", tmp_path / "w")
    with pytest.raises(InputError, match="lies in the folder of the frames"), session(video, video / "w"):
        pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "format"}, "needs a kind"),
        ({"frame": FRAMES}, "frame must be from 0 to 11"),
        ({"frame": True}, "frame of stroke is wrong: Input should be a valid integer"),
        ({"object": 0}, "choose an object"),
        ({"object": 256}, "less than or equal to 255"),
        ({"points": [[1, float("nan")]]}, "points.0.1 of stroke is wrong"),
        ({"points": "x"}, "valid list"),
        ({"erase": 1}, "valid boolean"),
        ({"kind": "add", "name": "a", "colour": "red"}, "colour of add"),
        ({"kind": "polygon"}, "at least 3 items"),
        ({"kind": "erase", "first": 5, "last": 2}, "the range from 5 to 2 is empty"),
        ({"kind": "click", "clicks": [[1, 2, 2]]}, "should be 0 or 1"),
    ],
)
def test_bad_edits_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        checked_edit({**stroke(LINE), **change}, FRAMES)


def test_masks_that_no_redo_can_reach_are_removed_at_the_next_start(video, tmp_path):
    with session(video, tmp_path / "w") as opened:
        add(opened, "a")
        propagate(opened, {3: plain(1)})
        opened.edit({"kind": "undo"})
    with session(video, tmp_path / "w") as opened:
        opened.edit({"kind": "redo"})
        assert opened.label_map(3).all()
        opened.edit({"kind": "undo"})
        opened.edit(stroke(LINE))
        propagate(opened, {4: plain(1)})
    with session(video, tmp_path / "w") as opened:
        assert [path.name for path in mask_files(tmp_path / "w")] == ["00004.png"]
        assert opened.label_map(4).all()


@pytest.fixture
def weights(tmp_path):
    return Weights(tmp_path / "published.pth", tmp_path / "w/fit/network.pth", SIZE[0], [])


def test_a_cancelled_fit_keeps_the_earlier_network_and_its_verdict(opened, weights, monkeypatch):
    def fit(command, job, seconds):  # the network is written, but not yet scored when the job is cancelled
        Path(command[command.index("--output") + 1]).write_text(f"network {job.number}")
        if job.number == 2:
            raise Cancelled
        said = describe_fit({1: 0.2, 3: 0.9, 4: 0.1}, [1, 2, 3, 4])
        return f"One-shot fit to 1 annotated frames.\n{said}\n"

    monkeypatch.setattr("scripts.annotator.weights._run", fit)
    add(opened, "c", "d")
    weights.fit(Job(1, "fit", Events()), opened, minutes=1)
    files = sorted(weights.fitted.parent.iterdir())
    with pytest.raises(Cancelled):
        weights.fit(Job(2, "fit", Events()), opened, minutes=1)
    assert weights.fitted.read_text() == "network 1"
    assert sorted(weights.fitted.parent.iterdir()) == files
    kept = Weights(weights.published, weights.fitted, SIZE[0]).as_json()["verdict"]  # after a restart
    found = [(each["name"], each["percent"], each["poor"]) for each in kept]
    assert found == [("b", None, True), ("d", 10, True), ("a", 20, True), ("c", 90, False)]


def test_the_progress_of_a_fit_is_a_time_of_all_its_time():
    shown = []
    job = SimpleNamespace(show=lambda done, total, text: shown.append((total, text)))
    assert _run(["scripts.fit_first_frame", "--help"], job, seconds=300).startswith("usage:")
    assert shown[0] == (300, "0 s of 5:00")


@pytest.mark.parametrize("kind", ["published", "fitted"])
def test_a_fitted_network_does_not_use_the_previous_frame(kind, opened, weights):
    path = getattr(weights, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("the network")
    asked = []
    tasks = Tasks(opened, weights, SimpleNamespace(models=path.parent))
    tasks.propagating.ask = lambda request: (each for each in [asked.append(request)] if each)
    tasks.propagate({"first": 0, "last": FRAMES - 1, "forward": True, "backward": True})
    opened.jobs.current.ended.wait()
    assert (asked[0]["weights"], asked[0]["remember_previous"]) == (path, kind == "published")
