import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.annotator import shapes
from tests.annotator.parts import in_polygon, in_stroke

SIZE = 14, 19
position = st.tuples(st.integers(-40, 230), st.integers(-40, 180)).map(lambda at: [at[0] / 8, at[1] / 8])


@given(st.lists(position, min_size=1, max_size=5), st.integers(4, 50).map(lambda r: r / 8))
def test_a_stroke_covers_the_pixels_whose_centres_are_near(points, radius):
    assert np.array_equal(shapes.stroke(SIZE, points, radius), in_stroke(points, radius, SIZE))


@given(st.lists(position, min_size=3, max_size=7))
def test_a_polygon_covers_the_pixels_whose_centres_are_inside(points):
    assert np.array_equal(shapes.polygon(SIZE, points), in_polygon(points, SIZE))


@given(position, position)
def test_a_box_is_the_polygon_of_its_corners(a, b):
    corners = [a, [b[0], a[1]], b, [a[0], b[1]]]
    assert np.array_equal(shapes.box(SIZE, [a, b]), in_polygon(corners, SIZE))


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 0.999])
def test_a_dot_of_radius_half_covers_its_pixel(shift):
    covered = shapes.stroke(SIZE, [[5.5, 3.5]], 0.5)
    assert np.argwhere(covered).tolist() == [[3, 5]]
    assert shapes.box(SIZE, [[5 + shift / 2, 3], [6 + shift / 2, 4]]).sum() == 1
