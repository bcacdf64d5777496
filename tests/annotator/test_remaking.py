"""Shapes, copies, moves and changes of edges, compared with pixels computed one by one."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scripts.annotator import remaking, shapes
from scripts.annotator.export import export
from scripts.annotator.remaking import Remaking
from tests.annotator.parts import FRAMES, add, in_polygon, in_stroke, label_maps, session, stroke
from util.errors import InputError

SMALL = 14, 19
masks = arrays(bool, (9, 12))
Y, X = np.mgrid[:9, :12]


def near(mask, y, x, radius):
    """Is a pixel of the mask at most a radius away?"""
    return (mask & ((Y - y) ** 2 + (X - x) ** 2 <= radius**2)).any()


@given(masks, st.integers(1, 3))
def test_masks_grow_and_shrink_by_a_distance(mask, radius):
    grown = [[near(mask, y, x, radius) for x in range(12)] for y in range(9)]
    assert np.array_equal(remaking.grown(mask, radius), grown)
    shrunk = [[not near(~mask, y, x, radius) for x in range(12)] for y in range(9)]
    assert np.array_equal(remaking.shrunk(mask, radius), shrunk)


def test_small_holes_are_filled_small_specks_removed_and_spikes_smoothed():
    square = np.zeros((40, 40), bool)
    square[10:30, 10:30] = True
    spiked, holed, specked = square.copy(), square.copy(), square.copy()
    spiked[20, 30:38] = True
    holed[15, 15:18] = holed[25, 15:20] = False
    specked[2, 2:5] = specked[35, 2:7] = True
    smooth = remaking.smoothed(spiked, 2)
    assert not smooth[20, 32:].any()
    assert (smooth & square).sum() / (smooth | square).sum() > 0.95
    assert (remaking.without_holes(holed, 3) ^ square).sum() == 5
    assert (remaking.without_specks(specked, 3) ^ square).sum() == 5


def test_a_moved_mask_is_shifted_by_pixels_and_scaled_about_its_middle():
    mask = np.zeros((60, 80), bool)
    mask[20:30, 30:50] = True
    mask[25, 30:34] = False
    assert np.array_equal(remaking.move_mask(mask, (40, 25), 5, -3, 1), np.roll(mask, (-3, 5), axis=(0, 1)))
    assert not remaking.move_mask(mask, (40, 25), 200, 0, 1).any()
    block = np.zeros_like(mask)
    block[20:30, 30:50] = True
    larger = np.zeros_like(mask)
    larger[15:35, 20:60] = True  # twice as large, about (25, 40)
    assert np.array_equal(remaking.move_mask(block, (40, 25), 0, 0, 2), larger)


@pytest.fixture
def opened(video, tmp_path):
    with session(video, tmp_path / "w") as opened:
        add(opened, "a", "b", "c")
        opened.edit(stroke([[30, 30], [50, 30]], radius=8.0))
        opened.edit(stroke([[60, 60]], label=2, radius=9.0))
        opened.edit(stroke([[100, 60]], frame=2, label=3, radius=9.0))
        yield opened


def copy(label, source, first, last):
    return {"kind": "copy", "object": label, "source": source, "first": first, "last": last}


def refine(how, amount, label=0, first=0, last=FRAMES - 1):
    return {"kind": "refine", "object": label, "first": first, "last": last, "how": how, "amount": amount}


def test_a_copied_mask_replaces_the_object_and_counts_as_drawn(opened):
    before = label_maps(opened)
    opened.edit({"kind": "change", "object": 3, "locked": True})
    opened.edit(stroke([[100, 40]], frame=1, radius=5.0))
    Remaking(opened).edit(copy(1, 0, 1, 2))
    found = label_maps(opened)
    assert np.array_equal(found[1], np.where(before[0] == 1, 1, 0))
    assert np.array_equal(found[2], np.where(before[2] == 3, 3, np.where(before[0] == 1, 1, 0)))
    assert [sorted(opened.document.state(frame).drawn) for frame in (1, 2, 3)] == [[1], [1, 3], []]
    opened.edit({"kind": "undo"})
    assert np.array_equal(label_maps(opened)[2], before[2])
    with pytest.raises(InputError, match="nothing to change"):
        Remaking(opened).edit(copy(1, 0, 0, 0))
    with pytest.raises(InputError, match="locked"):
        Remaking(opened).edit(copy(3, 2, 0, 0))


def test_edges_change_on_all_frames_which_do_not_count_as_drawn(opened):
    before = label_maps(opened)
    shown = Remaking(opened).preview(refine("grow", 4, label=2))
    Remaking(opened).edit(refine("grow", 4))
    found = label_maps(opened)
    expected = np.where((before[0] == 0) & remaking.grown(before[0] == 2, 4), 2, before[0])
    assert np.array_equal(shown, expected)
    assert np.array_equal(found[0] == 1, remaking.grown(before[0] == 1, 4) & (before[0] != 2))
    assert np.array_equal(found[2] == 3, remaking.grown(before[2] == 3, 4))
    assert opened.document.touched == [0, 2]
    opened.edit({"kind": "undo"})
    assert np.array_equal(label_maps(opened), before)


def test_merged_and_reordered_objects_keep_their_pixels(opened, tmp_path):
    before = label_maps(opened)
    opened.edit({"kind": "change", "object": 3, "category": "dog"})
    opened.edit({"kind": "swap", "object": 3, "other": 1})
    objects = [(o.label, o.name, o.category) for o in opened.document.objects]
    assert objects == [(1, "c", "dog"), (2, "b", ""), (3, "a", "")]
    swapped = np.array([0, 3, 2, 1], np.uint8)[before]
    assert np.array_equal(label_maps(opened), swapped)
    opened.edit({"kind": "merge", "object": 3, "other": 2})
    assert [o.label for o in opened.document.objects] == [1, 3]
    assert np.array_equal(label_maps(opened), np.where(swapped == 2, 3, swapped))
    assert opened.document.state(0).drawn == {3}
    path = export("coco", opened, tmp_path / "out", lambda *_: None)
    content = json.loads(path.read_text())
    assert content["categories"] == [{"id": 1, "name": "dog"}, {"id": 3, "name": "a"}]
    assert [each["category_id"] for each in content["annotations"]] == [3, 1]
    after = label_maps(opened)
    opened.edit({"kind": "undo"})
    opened.edit({"kind": "undo"})
    assert np.array_equal(label_maps(opened), before)
    opened.edit({"kind": "redo"})
    opened.edit({"kind": "redo"})
    assert np.array_equal(label_maps(opened), after)
    for wrong in ({"object": 1, "other": 1}, {"object": 1, "other": 9}):
        with pytest.raises(InputError):
            opened.edit({"kind": "merge", **wrong})


position = st.tuples(st.integers(-40, 230), st.integers(-40, 180)).map(lambda at: [at[0] / 8, at[1] / 8])


@given(st.lists(position, min_size=1, max_size=5), st.integers(4, 50).map(lambda r: r / 8))
def test_a_stroke_covers_the_pixels_whose_centres_are_near(points, radius):
    assert np.array_equal(shapes.stroke(SMALL, points, radius), in_stroke(points, radius, SMALL))


@given(st.lists(position, min_size=3, max_size=7))
def test_a_polygon_covers_the_pixels_whose_centres_are_inside(points):
    assert np.array_equal(shapes.polygon(SMALL, points), in_polygon(points, SMALL))


@given(position, position)
def test_a_box_is_the_polygon_of_its_corners(a, b):
    corners = [a, [b[0], a[1]], b, [a[0], b[1]]]
    assert np.array_equal(shapes.box(SMALL, [a, b]), in_polygon(corners, SMALL))


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 0.999])
def test_a_dot_of_radius_half_covers_its_pixel(shift):
    covered = shapes.stroke(SMALL, [[5.5, 3.5]], 0.5)
    assert np.argwhere(covered).tolist() == [[3, 5]]
    assert shapes.box(SMALL, [[5 + shift / 2, 3], [6 + shift / 2, 4]]).sum() == 1
