"""Masks from scribbles and boxes: the requests to the segmenter, and the pixels that stay."""

from types import SimpleNamespace

import numpy as np
import pytest

from scripts.annotator.masks import counting_scribbles
from scripts.annotator.segmentation import Segmentation
from scripts.annotator.segmenters import Segmenters
from scripts.annotator.settings import WorkerSettings
from tests.annotator.browser import needs_browser, until_shown
from tests.annotator.parts import add, in_stroke, session, stroke, write_frames
from util.errors import InputError

ON, OFF = [[50.0, 48.0], [58.0, 48.0]], [[120.0, 20.0], [150.0, 20.0]]
FAR = [[100.0, 80.0], [130.0, 90.0]]


@pytest.fixture
def opened(tmp_path):
    video = write_frames(tmp_path / "clip", np.s_[15:30, 110:140])
    with session(video, tmp_path / "w") as opened:
        add(opened, "a", "b")
        yield opened


@pytest.fixture
def segmentation(opened, tmp_path):
    settings = WorkerSettings(opened.pictures.path, tmp_path, tmp_path, 48, "cpu", "float32", False)
    made = Segmentation(settings)
    made.worker = SimpleNamespace(ask=Segmenters(settings).run)  # in this process
    return made


@pytest.fixture
def asked(segmentation):
    """The strokes of each request; the answers are where the last of them is."""
    strokes = []

    def ask(request):
        strokes.append(request["strokes"])
        yield "mask", in_stroke(request["strokes"][-1][0], 4.0)

    segmentation.worker = SimpleNamespace(ask=ask)
    return strokes


def scribble(points, label, positive=True):
    return {"kind": "scribble", "frame": 0, "object": label, "points": points, "positive": positive}


def box(*points, **more):
    return {"kind": "guess", "frame": 0, "object": 1, "points": [list(point) for point in points], **more}


def test_scribbles_of_a_frame_count_together(opened, segmentation, asked):
    for edit in (scribble(ON, 1), scribble(OFF, 1, positive=False), scribble(FAR, 2)):
        segmentation.edit(opened, edit)
    assert asked[-1] == [(ON, 1), (OFF, 0), (FAR, 2)]


@pytest.mark.parametrize(
    "end",
    [
        {"kind": "clear", "frame": 0},
        {"kind": "remove", "object": 1},
        {"kind": "erase", "object": 1, "first": 0, "last": 3},
    ],
)
def test_scribbles_end_with_their_object(end, opened, segmentation, asked):
    segmentation.edit(opened, scribble(ON, 1))
    segmentation.edit(opened, scribble(OFF, 1, positive=False))
    opened.edit(end)
    segmentation.edit(opened, scribble(FAR, 2))
    assert asked[-1] == [(FAR, 2)]
    opened.edit({"kind": "undo"})
    opened.edit({"kind": "undo"})
    segmentation.edit(opened, scribble(FAR, 2))
    assert asked[-1] == [(ON, 1), (OFF, 0), (FAR, 2)]


def test_a_box_adds_to_a_mask_or_replaces_the_last_box(opened, segmentation):
    def found():
        return opened.label_map(0) == 1

    opened.edit(stroke(FAR))
    by_hand = found()
    segmentation.edit(opened, box((25, 22), (76, 75)))
    with_disc = found()
    assert with_disc[48, 50]
    segmentation.edit(opened, box((102, 8), (148, 38)))
    with_both = found()
    assert with_both[20, 120]
    assert with_both[by_hand].all()
    assert with_both[with_disc].all()
    segmentation.edit(opened, box((102, 8), (148, 38), replace=True))
    assert np.array_equal(found(), with_both & ~with_disc)
    with pytest.raises(InputError, match="no object was found in the box"):
        segmentation.edit(opened, box((150, 85), (158, 93), replace=True))
    assert np.array_equal(found(), with_both & ~with_disc)


def test_removing_a_scribble_gives_the_mask_of_the_others(opened, segmentation, asked):
    def remove(number):
        segmentation.edit(opened, {"kind": "unscribble", "frame": 0, "object": 1, "of": number})
        return opened.label_map(0) == 1

    opened.edit(stroke(ON))
    drawn = opened.label_map(0) == 1
    segmentation.edit(opened, scribble(FAR, 1))
    segmentation.edit(opened, scribble(OFF, 1))
    opened.edit(stroke([[30.0, 80.0]], radius=4.0))
    first, second = (each["n"] for each in opened.document.history(0) if each["kind"] == "scribble")
    assert np.array_equal(remove(first), in_stroke(OFF, 4.0))
    assert asked[-1] == [(OFF, 1)]
    assert np.array_equal(remove(second), drawn | in_stroke([[30.0, 80.0]], 4.0))
    assert len(asked) == 3
    opened.edit({"kind": "undo"})
    counting = counting_scribbles(opened.document.history(0))
    assert [each["n"] for each in counting] == [second]
    with pytest.raises(InputError, match="not there any more"):
        remove(99)


@needs_browser
def test_a_scribble_stays_in_view_and_a_click_on_its_cross_removes_it(hands, annotator):
    hands.add()
    mask = in_stroke(ON, 4.0).astype(np.uint8)
    annotator.session.write_masks({**scribble(ON, 1), "labels": [1]}, {0: mask})
    hands.until("annotator.store.frames.get(0)?.scribbles.length === 1")
    assert np.array_equal(hands.labels(), mask)
    cross = [50.9, 48.0]  # right of its lines, at any scale of the window
    until_shown(hands, cross, lambda colour: colour.max() > 100)
    hands.key("s")
    until_shown(hands, cross, lambda colour: colour.max() < 80)
    hands.click(50, 48)
    hands.until("annotator.store.frames.get(0).scribbles.length === 0")
    assert not hands.labels().any()
