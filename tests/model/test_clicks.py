"""Masks from clicks, boxes and words by models of osam, by models of the tests, and by GrabCut."""

import re
from pathlib import Path

import numpy as np
import pytest
from osam import apis, types

from model.interactive.clicks import MOST_POINTS, ClickSegmenter
from model.interactive.promptable import fetch
from model.interactive.scribbled_clicks import point_segmenter
from model.interactive.words import WordFinder
from tests.annotator.parts import disc, frames
from tests.conftest import refused
from tests.promptable_models import Colours, Flood, cache
from util.errors import InputError

CENTRE = [50, 48]
BOX = [[25, 22], [76, 75]]


@pytest.fixture(scope="module", autouse=True)
def weights(tmp_path_factory):
    with cache(tmp_path_factory.mktemp("home"), Flood, Colours):
        yield


@pytest.fixture(scope="module")
def flood():
    return ClickSegmenter("flood")


def picture():
    """The disc of the annotator's clip, cut in two by a green bar."""
    made = frames()[0]
    made[:, 56:60] = (20, 240, 20)
    return made


def generated(model, points, labels):
    """Return the answer of osam itself."""
    prompt = types.Prompt(points=np.array(points, float), point_labels=np.array(labels))
    answer = apis.generate(types.GenerateRequest(model=model, image=picture(), prompt=prompt)).annotations[0]
    mask, box = np.zeros(picture().shape[:2], bool), answer.bounding_box
    mask[box.ymin : box.ymax + 1, box.xmin : box.xmax + 1] = answer.mask
    return mask


PROMPTS = [([CENTRE], [1]), ([CENTRE, [65, 48], [100, 20]], [1, 1, 0]), ([*BOX, [58, 50]], [2, 3, 0])]


@pytest.mark.parametrize(("points", "labels"), PROMPTS)
def test_a_new_mask_is_the_answer_of_osam(points, labels, flood):
    mask = flood.segment(picture(), points, labels)
    assert mask.any()
    assert np.array_equal(mask, generated("flood", points, labels))


def test_more_clicks_than_one_prompt_can_hold_count(flood):
    left = [[x, 48] for x in range(35, 35 + MOST_POINTS)]
    both = flood.segment(picture(), [*left, [65, 48]], [1] * 7)
    assert np.array_equal(both, disc(0) & (picture() != (20, 240, 20)).any(axis=2))


def test_a_correction_changes_only_the_clicked_regions(flood):
    left = flood.segment(picture(), [CENTRE], [1])
    previous = left.copy()
    previous[5:10, 5:10] = previous[80:90, 120:130] = True  # by hand, or wrong
    more = flood.segment(picture(), [[65, 48]], [1], previous)
    assert np.array_equal(more, previous | flood.segment(picture(), [[65, 48]], [1]))
    less = flood.segment(picture(), [[125, 85]], [0], previous)
    expected = previous.copy()
    expected[80:90, 120:130] = False
    assert np.array_equal(less, expected)
    assert not flood.segment(picture(), [CENTRE], [0], left).any()


def test_words_find_only_objects_without_a_mask(flood):
    finder = WordFinder(flood, "colours")
    nothing = np.zeros(picture().shape[:2], bool)
    left, right = sorted(finder.find(picture(), "red", nothing), key=lambda mask: mask.nonzero()[1].min())
    assert np.array_equal(left | right, disc(0) & (picture() != (20, 240, 20)).any(axis=2))
    assert len(finder.find(picture(), "red", left)) == 1
    assert finder.find(picture(), "dog", nothing) == []


def test_grab_cut_answers_clicks_and_boxes():
    segmenter = point_segmenter("grabcut")
    for points, labels in (([CENTRE, [130, 20]], [1, 0]), (BOX, [2, 3])):
        mask = segmenter.segment(frames()[0], points, labels)
        assert (mask & disc(0)).sum() > 0.95 * (mask | disc(0)).sum()
    assert not segmenter.segment(frames()[0], [CENTRE], [0], disc(0))[48, 50]


@pytest.mark.parametrize(
    ("points", "labels", "sentence"),
    [
        ([[160, 48]], [1], "the click at 160, 48 lies outside of the picture of 160 x 96"),
        ([CENTRE], [0], "click on the object first"),
        ([CENTRE], [1, 0], "each point needs a label"),
        ([CENTRE], [4], "each point needs a label"),
    ],
)
def test_invalid_prompts_are_refused(points, labels, sentence, flood):
    for segmenter in (flood, point_segmenter("grabcut")):
        assert re.search(sentence, refused(segmenter.segment, picture(), points, labels))


def test_unknown_models_and_unsupported_prompts_are_refused(flood, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between two tries to fetch weights
    assert "no promptable model 'sam9': choose one of efficientsam:10m, " in refused(ClickSegmenter, "sam9")
    with pytest.raises(InputError, match="colours:latest does not take this prompt"):
        ClickSegmenter("colours").segment(picture(), [CENTRE], [1])
    with pytest.raises(InputError, match="flood:latest does not take this prompt"):
        WordFinder(flood, "flood").find(picture(), "red", disc(0))
    with cache(tmp_path, Flood):
        Path(Flood._blobs["decoder"].path).write_bytes(b"half")
        with pytest.raises(InputError, match="weights of flood cannot be fetched from http://127"):
            fetch("flood", lambda *progress: None)
