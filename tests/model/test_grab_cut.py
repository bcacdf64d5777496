import cv2
import numpy as np
import pytest

from dataset.interactive.scribbles import draw_stroke, no_scribbles
from model.interactive.grab_cut import GrabCutSegmenter
from model.interactive.scribbled_clicks import point_segmenter
from tests.conftest import refused

SIZE = (90, 120)
RED, BLUE = (200, 40, 30), (30, 60, 200)
DISCS = {1: ((35, 45), 20, RED), 2: ((85, 45), 20, BLUE)}  # label: centre (x, y), radius, colour
GREEN = (40, 150, 60)


def textured(seed=0):
    """Two discs on green, with noise; the picture and its truth."""
    truth = np.zeros(SIZE, np.uint8)
    picture = np.full((*SIZE, 3), GREEN, np.uint8)
    for label, (centre, radius, colour) in DISCS.items():
        cv2.circle(truth, centre, radius, label, -1)
        picture[truth == label] = colour
    noise = np.random.default_rng(seed).normal(0, 12, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8), truth


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def segmented(picture, scribbles, previous=None, labels=(1, 2)):
    prob = GrabCutSegmenter().segment(picture, scribbles, previous, list(labels))
    assert prob.shape == (len(labels) + 1, *picture.shape[:2])
    assert prob.max(dim=0).values.min() > 0.99
    return np.array([0, *labels])[prob.argmax(dim=0).numpy()]


def stroke(label, *points, onto=None):
    scribbles = no_scribbles(SIZE) if onto is None else onto.copy()
    draw_stroke(scribbles, points, label)
    return scribbles


def test_a_stroke_on_each_object_is_enough():
    picture, truth = textured()
    scribbles = stroke(2, (75, 45), (95, 45), onto=stroke(1, (25, 45), (45, 45)))
    found = segmented(picture, scribbles)
    for label in DISCS:
        assert iou(found == label, truth == label) > 0.9


def test_a_correction_changes_only_regions_connected_to_the_scribble():
    picture, truth = textured()
    before = truth.copy()
    before[30:60, 85:] = 0  # half of object 2 is missing,
    before[2:6, 2:6] = 1  # and object 1 has a spot that is none
    found = segmented(picture, stroke(2, (92, 40), (92, 50)), before)
    assert iou(found == 2, truth == 2) > 0.9
    assert ((found == 1) == (before == 1)).all()
    found = segmented(picture, stroke(0, (2, 3), (5, 3)), found.astype(np.uint8))
    assert not (found[:10, :10] == 1).any()
    assert iou(found == 1, truth == 1) > 0.9


@pytest.mark.parametrize("label", [0, 1])
def test_tiny_pictures_of_one_colour(label):
    size = 1, 9
    picture = np.full((*size, 3), 90, np.uint8)
    scribbles = no_scribbles(size)
    scribbles[0, 0] = label
    assert segmented(picture, scribbles)[0, 0] == label
    assert segmented(picture, scribbles, np.ones(size, np.uint8))[0, 0] == label
    assert segmented(picture, np.full(size, label)).tolist() == np.full(size, label).tolist()


def test_a_box_gives_the_mask_of_the_object_inside():
    picture, truth = textured()
    segmenter, labels = point_segmenter("grabcut"), [2, 3]
    mask = segmenter.segment(picture, [(12, 20), (57, 69)], labels)
    assert iou(mask, truth == 1) > 0.9
    outside = np.ones(SIZE, bool)
    outside[20:70, 12:58] = False
    assert not (mask & outside).any()
    assert iou(segmenter.segment(picture, [(-5, -5), (500, 500)], labels), truth > 0) > 0.9
    assert segmenter.segment(picture[:1, :1], [(0, 0), (0, 0)], labels).shape == (1, 1)
    assert "the box holds no pixel" in refused(segmenter.segment, picture, [(12.2, 20), (12.8, 70)], labels)
