import gzip
import json
import math
import re

import numpy as np
import pytest
import torch

from dataset.interactive.scribbles import (
    NONE,
    draw_stroke,
    no_scribbles,
    read_scribbles,
    scribble_map,
    sides,
)
from scripts.annotator.segmenters import SHORT_SIDE, Segmenters
from scripts.annotator.settings import WorkerSettings
from tests.conftest import GOLDEN, write_frames
from util.errors import InputError

SESSION = GOLDEN / "interactive" / "davis_interactive"
SIZE, LABELS = (120, 214), (NONE, 0, 1, 2)  # of its frames, and what its pixel counts are of
LINE = {"path": [[0.0, 0.0], [1.0, 1.0]], "object_id": 2, "start_time": 0, "end_time": 1}


def path(*points, label=1):
    return {"path": [list(point) for point in points], "object_id": label}


def bresenham(x0, y0, x1, y1):
    """The points of a line by its definition: at each step of the longer axis the nearest pixel."""
    dx, dy = x1 - x0, y1 - y0
    steps = max(abs(dx), abs(dy))

    def at(start, delta, i):
        # rounding half in the direction of the line, in whole numbers
        return (
            start + int(math.copysign((2 * abs(delta) * i + steps) // (2 * steps), delta)) if steps else start
        )

    return {(at(x0, dx, i), at(y0, dy, i)) for i in range(steps + 1)}


def test_points_are_scaled_truncated_and_joined():
    drawn = scribble_map([path((0, 0), (0.5, 0), (0.99, 0.99))], (11, 21))
    assert drawn.dtype.kind == "i"
    assert set(np.unique(drawn)) == {NONE, 1}
    ys, xs = np.nonzero(drawn == 1)
    expected = {(x, 0) for x in range(11)} | bresenham(10, 0, 19, 9)
    assert set(zip(xs.tolist(), ys.tolist(), strict=True)) == expected


def test_every_line_is_bresenhams():
    random = np.random.default_rng(0)
    for _ in range(200):
        x0, y0, x1, y1 = random.integers(0, 30, 4).tolist()
        shares = [((x + 0.5) / 40, (y + 0.5) / 40) for x, y in ((x0, y0), (x1, y1))]
        ys, xs = np.nonzero(scribble_map([path(*shares)], (41, 41)) == 1)
        assert set(zip(xs.tolist(), ys.tolist(), strict=True)) == bresenham(x0, y0, x1, y1)


def counts(scribbles):
    drawn = scribble_map(scribbles, SIZE)
    return [int((drawn == label).sum()) for label in LABELS]


@pytest.mark.parametrize("sequence", ["dog", "car-shadow"])
def test_golden(sequence):
    """The first scribbles of a sample are those of the file, whose numbers are rounded in the steps."""
    steps = json.loads(gzip.decompress((SESSION / "steps.json.gz").read_bytes()))
    of_files = [
        read_scribbles(SESSION / "davis" / "Scribbles" / sequence / name, sequence, 12, 2)
        for name in ("001.json", "002.json")
    ]
    first = [step["mask_counts"] for step in steps if (step["sequence"], step["new"]) == (sequence, True)]
    assert [[counts(file["scribbles"][file["annotated_frame"]])] for file in of_files] == first
    later = [step for step in steps if (step["sequence"], step["new"]) == (sequence, False)]
    assert len(later) == 6
    for step in later:
        assert [counts(step["scribbles"][frame]) for frame in step["frames"]] == step["mask_counts"]


def test_later_lines_lie_over_earlier_ones_and_background_is_no_gap():
    drawn = scribble_map([path((0, 0.5), (1, 0.5), label=3), path((0.5, 0), (0.5, 1), label=0)], (9, 9))
    assert drawn[4, 4] == 0
    assert (drawn == 3).sum() == 8
    assert (drawn == 0).sum() == 9
    assert (drawn == NONE).sum() == 81 - 17


def test_lone_points_empty_paths_and_tiny_frames():
    assert (scribble_map([path((1, 1)), path()], (5, 7)) == 1).nonzero() == (np.array([4]), np.array([6]))
    assert scribble_map([path((0, 0), (1, 1))], (1, 1)).tolist() == [[1]]
    assert (scribble_map([], (3, 4)) == no_scribbles((3, 4))).all()


@pytest.mark.parametrize("width", [1, 3, 9])
def test_strokes_have_their_width(width):
    drawn = no_scribbles((40, 60))
    draw_stroke(drawn, [(10, 20), (45.3, 19.8)], 2, width)
    assert (drawn[:, 30] == 2).sum() == width
    assert (drawn[20] == 2).sum() == 36 + 2 * (width // 2)  # with round ends
    assert drawn[20 - width // 2, 30] == 2


def test_strokes_may_be_dots_leave_the_picture_and_rub_out():
    drawn = no_scribbles((40, 60))
    draw_stroke(drawn, [(5, 5)], 300, 3)
    assert drawn[5, 5] == 300
    draw_stroke(drawn, [(50, 30), (500, 30)], 0)
    assert (drawn[30, 50:] == 0).all()
    draw_stroke(drawn, [(-100, 5), (30, 5)], NONE, 5)
    assert not (drawn == 300).any()
    draw_stroke(drawn, np.empty((0, 2)), 1)
    assert set(np.unique(drawn)) == {NONE, 0}


def test_all_others_are_against_an_object():
    drawn = no_scribbles((9, 9))
    drawn[1, 1], drawn[1, 7], drawn[7, 7] = 1, 2, 0
    positive, negative = sides(drawn, 1)
    assert positive.nonzero() == (np.array([1]), np.array([1]))
    assert negative.sum() == 2
    positive, negative = sides(drawn, 2, widen=True)
    assert positive[0:3, 6:9].all()
    assert positive.sum() == 9
    assert negative.sum() == 18
    assert not sides(drawn, 5)[0].any()


def write(folder, content):
    target = folder / "001.json"
    target.write_text(content if isinstance(content, str) else json.dumps(content))
    return target


WHOLE = {"scribbles": [[], [LINE], []], "sequence": "dog", "annotated_frame": 1}


def test_a_file_is_read(tmp_path):
    content = read_scribbles(write(tmp_path, WHOLE), "dog", frames=3, objects=2)
    assert content == WHOLE
    assert (np.diag(scribble_map(content["scribbles"][1], (8, 8))) == 2).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(WHOLE)[:60], "is no whole JSON file"),
        ("", "is no whole JSON file"),
        ([1], "holds no scribbles"),
        ({"scribbles": 3}, "holds no scribbles"),
        ({"scribbles": [[], 3]}, "holds no scribbles"),
        ({**WHOLE, "sequence": "cat"}, "is of the sequence cat, not dog"),
        ({"scribbles": WHOLE["scribbles"]}, "is of the sequence None, not dog"),
        ({**WHOLE, "scribbles": [[LINE]], "annotated_frame": 0}, "for 1 frames where the sequence has 3"),
        ({**WHOLE, "annotated_frame": 3}, "names 3 as its annotated frame: it must be from 0 to 2"),
        ({**WHOLE, "scribbles": [[], [], []]}, "marks no object"),
        ({**WHOLE, "scribbles": [[], [path((0, 0), label=0)], []]}, "marks no object"),
        ({**WHOLE, "scribbles": [[], [{"object_id": 1}], []]}, 'frame 1 of .* has no list "path"'),
        ({**WHOLE, "scribbles": [[], [], [path((0, 0), label=-1)]]}, "frame 2 of .* object_id -1"),
        ({**WHOLE, "scribbles": [[], [path((0, 0), label="1")], []]}, "object_id 1: it must be from 0 to 2"),
        ({**WHOLE, "scribbles": [[], [path((0, 0), label=3)], []]}, "object_id 3: it must be from 0 to 2"),
        ({**WHOLE, "scribbles": [[], [path((0, 1.01))], []]}, r"the point \[0, 1.01\]: .*both from 0 to 1"),
        ({**WHOLE, "scribbles": [[], [path((0, math.nan))], []]}, r"the point \[0, nan\]"),
        ({**WHOLE, "scribbles": [[], [path((0, 0, 0))], []]}, r"the point \[0, 0, 0\]"),
        ({**WHOLE, "scribbles": [[], [path((True, 0))], []]}, r"the point \[True, 0\]"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_a_sentence(content, message, tmp_path):
    with pytest.raises(InputError, match=message) as error:
        read_scribbles(write(tmp_path, content), "dog", frames=3, objects=2)
    assert re.search(r"001\.json", str(error.value))


def test_a_missing_file_and_bytes(tmp_path):
    with pytest.raises(InputError, match=r"there are no scribbles at .*nowhere\.json"):
        read_scribbles(tmp_path / "nowhere.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is no whole JSON file"):
        read_scribbles(tmp_path / "b.json")


def test_a_stroke_on_a_large_picture_lies_where_the_person_drew_it(tmp_path, monkeypatch):
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
    request = {
        "kind": "segment",
        "frame": 0,
        "old": old,
        "label": 1,
        "strokes": [(stroke, 1)],
        "weights": None,
    }
    list(Segmenters(settings).run(request))
    rows, columns = np.nonzero(seen[0] == 1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (29, 31, 19, 51)  # 3 pixels wide
