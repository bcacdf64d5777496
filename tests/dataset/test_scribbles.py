import json
import math

import numpy as np
import pytest
import torch

from dataset.interactive.scribbles import draw_stroke, no_scribbles, read_scribbles, split_scribbles
from scripts.annotator.segmenters import SHORT_SIDE, Segmenters
from scripts.annotator.settings import WorkerSettings
from tests.conftest import write_frames
from util.errors import InputError

LINE = {"path": [[0.0, 0.0], [1.0, 1.0]], "object_id": 2, "start_time": 0, "end_time": 1}


def line(*points, label=1):
    return {"path": [list(point) for point in points], "object_id": label}


@pytest.mark.parametrize("width", [1, 3, 9])
def test_strokes_have_their_width(width):
    drawn = no_scribbles((40, 60))
    draw_stroke(drawn, [(10, 20), (45.3, 19.8)], 2, width)
    assert (drawn[:, 30] == 2).sum() == width
    assert (drawn[20] == 2).sum() == 36 + 2 * (width // 2)  # with round ends
    assert drawn[20 - width // 2, 30] == 2


def test_scribbles_of_other_objects_are_negative():
    drawn = no_scribbles((9, 9))
    drawn[1, 1], drawn[1, 7], drawn[7, 7] = 1, 2, 0
    positive, negative = split_scribbles(drawn, 1)
    assert positive.nonzero() == (np.array([1]), np.array([1]))
    assert negative.sum() == 2
    positive, negative = split_scribbles(drawn, 2, widen=True)
    assert positive[0:3, 6:9].all()
    assert positive.sum() == 9
    assert negative.sum() == 18
    assert not split_scribbles(drawn, 5)[0].any()


WHOLE = {"scribbles": [[], [LINE], []], "sequence": "dog", "annotated_frame": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(WHOLE)[:60], "is no whole JSON file"),
        ({"scribbles": [[], 3]}, 'have no list "scribbles"'),
        ({**WHOLE, "sequence": "cat"}, "are of the sequence cat: give those of dog"),
        ({**WHOLE, "scribbles": [[LINE]]}, "are for 1 frames, and the sequence has 3"),
        ({**WHOLE, "scribbles": [[], [], []]}, "mark no object"),
        ({**WHOLE, "scribbles": [[], [{"object_id": 1}], []]}, "a line on frame 1 that is wrong"),
        ({**WHOLE, "scribbles": [[], [line((0, 0), label=3)], []]}, '"object_id" from 0 to 2'),
        ({**WHOLE, "scribbles": [[], [line((0, 1.01))], []]}, "from 0 to 1 .shares of width and height"),
        ({**WHOLE, "scribbles": [[], [line((0, math.nan))], []]}, "a line on frame 1 that is wrong"),
    ],
)
def test_invalid_files_are_refused(content, message, tmp_path):
    path = tmp_path / "001.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=message) as error:
        read_scribbles(path, "dog", frames=3, objects=2)
    assert "001.json" in str(error.value)


def test_a_stroke_on_a_large_picture_keeps_its_place(tmp_path, monkeypatch):
    """At a quarter of the size, pixel 20 of the small picture is made of the pixels from 80 to 84."""
    seen = []

    def segment(self, picture, scribbles, previous, labels):
        seen.append(scribbles)
        return torch.zeros(2, *scribbles.shape)

    monkeypatch.setattr("model.interactive.grab_cut.GrabCutSegmenter.segment", segment)
    write_frames(tmp_path / "frames", [np.zeros((4 * SHORT_SIDE, 4 * SHORT_SIDE, 3), np.uint8)])
    settings = WorkerSettings(tmp_path / "frames", tmp_path, tmp_path, 480, "cpu", "float32", no_tf32=False)
    stroke = [[80.5, 123.5], [203.5, 120.5]]  # of the small pixels 20 to 50, row 30
    old = np.zeros((4 * SHORT_SIDE, 4 * SHORT_SIDE), np.uint8)
    request = {"kind": "segment", "frame": 0, "old": old, "label": 1, "strokes": [(stroke, 1)]}
    list(Segmenters(settings).run({**request, "weights": None}))
    rows, columns = np.nonzero(seen[0] == 1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (29, 31, 19, 51)  # 3 pixels wide
