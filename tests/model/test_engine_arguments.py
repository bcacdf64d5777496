"""Arguments of the engine in other forms: accepted with the same result, or refused."""

import re

import numpy as np
import pytest
import torch

from dataset.image_io import normalise
from model import InferenceCore
from tests.conftest import refused

SIZE = 32
SHAPE = (SIZE, SIZE)
PICTURE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
LABELS = np.zeros(SHAPE, np.uint8)
LABELS[4:14, 4:28], LABELS[18:28, 4:28] = 1, 2
FRAME = normalise(PICTURE)
MASK = torch.from_numpy(LABELS)
SOFT = torch.stack([MASK == 1, MASK == 2]).float()


def with_value(value):
    soft = SOFT.clone()
    soft[0, 0, 0] = value
    return soft


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({"top_k": k}, "top_k must be a whole number above 0") for k in (0, 2.5, "50")),
        ({"mem_every": None}, "mem_every must be a whole number above 0"),
        *(({"km_sigma": s}, "km_sigma must be a finite number above 0") for s in (0, np.nan)),
    ],
)
def test_invalid_settings_are_refused_by_name(options, message, network):
    assert re.search(message, refused(InferenceCore, network, **options))


NO_FRAME, NO_MASK = "a frame must be 3 x H x W of normalised float", "a mask must be labels H x W or probab"
LABEL_NUMBERS = "labels must be different numbers from 1 to"
REFUSED = {
    "a frame of bytes": ((FRAME.byte(),), rf"{NO_FRAME}.*torch\.uint8.*normalise"),
    "no frame": ((None,), "a frame must be a tensor or a NumPy array"),
    "a picture with planes first": ((PICTURE.transpose(2, 0, 1),), "RGB, H x W x 3"),
    "a float label map": ((FRAME, MASK.float()), r"must be of whole numbers, not torch\.float32"),
    "a label below 0": ((FRAME, MASK.long() - 1), LABEL_NUMBERS),
    "a mask of another size": ((FRAME, MASK[:20]), rf"{NO_MASK}.* 32 x 32, not 20 x 32"),
    "a label twice": ((FRAME, SOFT, [1, 1]), rf"{LABEL_NUMBERS}.*\[1, 1\]"),
    "labels not in the map": ((FRAME, MASK, [1, 7, 9]), r"has no label 7, only \[1, 2\]"),
    "too few labels": ((FRAME, SOFT, [1]), r"2 probability channels needs as many labels, not \[1\]"),
    "NaN": ((FRAME, with_value(torch.nan), [1, 2]), "from nan to nan"),
    "levels of grey": ((FRAME, SOFT.byte() * 255, [1, 2]), "go from 0 to 255"),
}


@pytest.fixture(scope="module")
def used(network):
    """An engine in the middle of a video."""
    engine = InferenceCore(network)
    engine.step(FRAME, MASK)
    return engine


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_step_changes_nothing(case, used, network):
    arguments, message = REFUSED[case]
    fresh = InferenceCore(network)
    for engine, state in ((fresh, (-1, [], None, [])), (used, (0, [1, 2], SHAPE, [[0], [0]]))):
        assert re.search(message, refused(engine.step, *arguments))
        times = [memory.times for memory in engine.bank.objects]
        assert (engine.time, engine.labels, engine.size, times) == state
    fresh.step(FRAME[:, :16])  # a refused frame does not settle the size


SAME = {
    "NumPy": (FRAME.numpy(), LABELS),
    "a picture": (PICTURE, LABELS),
    "views in reverse": (PICTURE[::-1].copy()[::-1], LABELS[:, ::-1].copy()[:, ::-1]),
    "double": (FRAME.double(), MASK.long()),
    "probabilities": (FRAME, SOFT, [1, 2]),
    "NumPy probabilities": (FRAME, SOFT.numpy().astype(np.float64), np.array([1, 2])),
    "rounded beyond 0 and 1": (FRAME, SOFT * 1.0002 - 0.0001, range(1, 3)),
}


@pytest.fixture(scope="module")
def expected(used):
    """The result of the first step in the plain form."""
    return InferenceCore(used.network).step(FRAME, MASK)


@pytest.mark.parametrize("case", SAME)
def test_other_forms_of_the_same_input_give_the_same_result(case, network, expected):
    engine = InferenceCore(network)
    before = [np.array(np.asarray(part)) for part in SAME[case][:2]]
    prob = engine.step(*SAME[case])
    torch.testing.assert_close(prob, expected, atol=1e-5, rtol=0)
    assert prob.dtype == torch.float32
    assert engine.labels == [1, 2]
    for part, was in zip(SAME[case][:2], before, strict=True):
        assert np.array_equal(np.asarray(part), was)  # arguments are not changed


@pytest.mark.parametrize("label", [255, 70_000])
def test_labels_may_be_large(label, network):
    engine = InferenceCore(network)
    prob = engine.step(FRAME, (MASK == 1).long() * label)
    labels = engine.label_map(prob)
    assert labels.dtype == (torch.uint8 if label < 256 else torch.int32)
    assert torch.equal(labels.long(), (MASK == 1).long() * label)


def test_results_are_turned_into_labels_or_refused(used, expected, network):
    engine = InferenceCore(network)
    prob = engine.step(FRAME, MASK)
    assert torch.equal(engine.label_map(prob.numpy()), MASK)
    for wrong in (prob[:2], prob[0], None):
        assert "a result" in refused(engine.label_map, wrong)
    engine.remove(2)
    assert "before objects come or are removed" in refused(engine.label_map, prob)
