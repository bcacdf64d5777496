"""What the Python interface does with arguments of another form than it is made for."""

import numpy as np
import pytest
import torch
from torch import nn

from dataset.image_io import normalise
from model import InferenceCore, PropagationNetwork
from model.correspondence import Correspondence, best_match, encode_source, encode_target
from util.errors import InputError

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


def assert_one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith((".", ")"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({"top_k": k}, "top_k must be a whole number above 0") for k in (0, -1, 2.5, True, "50")),
        *(({"mem_every": n}, "mem_every must be a whole number above 0") for n in (0, -5, 1.0, None)),
        *(({"max_memory_frames": n}, "max_memory_frames must be") for n in (0, -1, 0.5)),
        *(({"objects_at_once": n}, "objects_at_once must be") for n in (0, -2, "all")),
        *(({"km_sigma": s}, "km_sigma must be a finite number above 0") for s in (0, -5.6, np.nan, np.inf)),
    ],
)
def test_settings_that_cannot_work_are_named(options, message, network):
    with pytest.raises(InputError, match=message) as error:
        InferenceCore(network, **options)
    assert_one_sentence(error)


def test_numbers_of_numpy_are_settings_too(network):
    engine = InferenceCore(network, top_k=np.int64(20), km_sigma=np.float32(5.6), mem_every=np.int32(3))
    assert engine.step(FRAME, MASK).shape == (3, *SHAPE)
    assert engine.step(FRAME).isfinite().all()


@pytest.mark.parametrize("network", ["saves/propagation_model.pth", nn.Linear(1, 1)])
def test_what_is_no_network_is_refused(network):
    with pytest.raises(InputError, match="a network is what load_network returns") as error:
        InferenceCore(network)
    assert_one_sentence(error)


def test_a_network_in_training_mode_works_the_same(network):
    training = PropagationNetwork()
    training.load_state_dict(network.state_dict())
    assert training.train().training
    for index in range(2):
        mask = MASK if index == 0 else None
        if index == 0:
            engines = [InferenceCore(each) for each in (network, training)]
        expected, prob = (engine.step(FRAME, mask) for engine in engines)
        torch.testing.assert_close(prob, expected, atol=1e-4, rtol=0)


NO_FRAME, NO_MASK = "a frame must be 3 x H x W of normalised float", "a mask must be labels H x W or probab"
LABEL_NUMBERS = "labels must be different numbers from 1 to"
REFUSED = {
    "a frame of bytes": ((FRAME.byte(),), rf"{NO_FRAME}.*torch\.uint8.*normalise"),
    "a batch": ((FRAME[None],), rf"{NO_FRAME}.*1 x 3 x 32 x 32"),
    "a number": ((torch.tensor(1.0),), "not a single number"),
    "an empty frame": ((FRAME[:, :0],), "3 x 0 x 32"),
    "no frame": ((None,), "a frame must be a tensor or a NumPy array"),
    "a picture with planes first": ((PICTURE.transpose(2, 0, 1),), "RGB, H x W x 3"),
    "16 bits": ((PICTURE.astype(np.uint16),), "a frame must be"),
    "objects as frame": ((np.array([[None]]),), "a frame must be a tensor or a NumPy array of numbers"),
    "a float label map": ((FRAME, MASK.float()), r"must be of whole numbers, not torch\.float32"),
    "a label below 0": ((FRAME, MASK.long() - 1), LABEL_NUMBERS),
    "a label too large": ((FRAME, MASK.long() << 33), LABEL_NUMBERS),
    "a mask as list": ((FRAME, LABELS.tolist()), "a mask must be a tensor or a NumPy array"),
    "a mask of four dimensions": ((FRAME, SOFT[None], [1, 2]), rf"{NO_MASK}.*1 x 2 x 32 x 32"),
    "a mask of another size": ((FRAME, MASK[:20]), rf"{NO_MASK}.* 32 x 32, not 20 x 32"),
    "a label twice": ((FRAME, SOFT, [1, 1]), rf"{LABEL_NUMBERS}.*\[1, 1\]"),
    "the background as object": ((FRAME, SOFT, [0, 1]), LABEL_NUMBERS),
    "labels not in the map": ((FRAME, MASK, [1, 7, 9]), r"has no label 7, only \[1, 2\]"),
    "a label of an empty map": ((FRAME, MASK * 0, [1]), "has no label 1, only background"),
    "broken labels": ((FRAME, SOFT, [1.5, 2]), r"whole numbers, not \[1\.5, 2\]"),
    "one label without a list": ((FRAME, MASK, 1), "a list of whole numbers, not 1"),
    "too few labels": ((FRAME, SOFT, [1]), r"2 probability channels needs as many labels, not \[1\]"),
    "no labels": ((FRAME, SOFT), "as many labels, not None"),
    "labels without a mask": ((FRAME, None, [1]), "labels without a mask"),
    "NaN": ((FRAME, with_value(torch.nan), [1, 2]), "from nan to nan"),
    "infinity": ((FRAME, with_value(-torch.inf), [1, 2]), "from -inf to 1"),
    "a probability above 1": ((FRAME, with_value(1.2), [1, 2]), r"go from 0 to 1\.2"),
    "levels of grey": ((FRAME, SOFT.byte() * 255, [1, 2]), "go from 0 to 255"),
}


@pytest.fixture(scope="module")
def used(network):
    """An engine in the middle of a video."""
    engine = InferenceCore(network)
    engine.step(FRAME, MASK)
    return engine


@pytest.mark.parametrize("case", REFUSED)
def test_a_step_that_cannot_be_taken_changes_nothing(case, used, network):
    arguments, message = REFUSED[case]
    fresh = InferenceCore(network)
    for engine, state in ((fresh, (-1, [], None, [])), (used, (0, [1, 2], SHAPE, [[0], [0]]))):
        with pytest.raises(InputError, match=message) as error:
            engine.step(*arguments)
        assert_one_sentence(error)
        times = [memory.times for memory in engine.bank.objects]
        assert (engine.time, engine.labels, engine.size, times) == state
    fresh.step(FRAME[:, :16])  # a refused frame does not settle the size


def big_endian(array):
    return array.astype(array.dtype.newbyteorder(">"))


SAME = {
    "NumPy": (FRAME.numpy(), LABELS),
    "a picture": (PICTURE, LABELS),
    "views in reverse": (PICTURE[::-1].copy()[::-1], LABELS[:, ::-1].copy()[:, ::-1]),
    "double": (FRAME.double(), MASK.long()),
    "int8 and int16": (FRAME, MASK.to(torch.int8)),
    "16 bits": (FRAME, LABELS.astype(np.uint16)),
    "another byte order": (big_endian(FRAME.numpy()), big_endian(LABELS.astype(np.int32))),
    "probabilities": (FRAME, SOFT, [1, 2]),
    "NumPy probabilities": (FRAME, SOFT.numpy().astype(np.float64), np.array([1, 2])),
    "bools": (FRAME, SOFT.bool(), (1, 2)),
    "zeros and ones": (FRAME, SOFT.byte(), torch.tensor([1, 2])),
    "rounded beyond 0 and 1": (FRAME, SOFT * 1.0002 - 0.0001, range(1, 3)),
}


@pytest.fixture(scope="module")
def expected(used):
    """The result of the first step in the plain form."""
    return InferenceCore(used.network).step(FRAME, MASK)


@pytest.mark.parametrize("case", SAME)
def test_other_forms_of_the_same_work_the_same(case, network, expected):
    engine = InferenceCore(network)
    before = [np.array(np.asarray(part)) for part in SAME[case][:2]]
    prob = engine.step(*SAME[case])
    torch.testing.assert_close(prob, expected, atol=1e-5, rtol=0)
    assert prob.dtype == torch.float32
    assert engine.labels == [1, 2]
    for part, was in zip(SAME[case][:2], before, strict=True):
        assert np.array_equal(np.asarray(part), was)  # what is given is not changed


def test_a_bool_label_map_is_one_object_of_label_1(network):
    for mask in (LABELS == 2, MASK == 2):
        engine = InferenceCore(network)
        prob = engine.step(FRAME, mask)
        assert engine.labels == [1]
        assert np.array_equal(engine.label_map(prob).numpy(), LABELS == 2)


@pytest.mark.parametrize("label", [255, 256, 70_000, 2**31 - 1])
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
        with pytest.raises(InputError, match="a result") as error:
            engine.label_map(wrong)
        assert_one_sentence(error)
    engine.remove(2)
    with pytest.raises(InputError, match="before objects come or are removed"):
        engine.label_map(prob)


@pytest.mark.parametrize("label", [3, 0, -1, "1", None])
def test_only_known_objects_can_be_removed(label, used):
    with pytest.raises(InputError, match=r"there is no object .* to remove; the known ones are \[1, 2\]"):
        used.remove(label)


def test_correspondences_refuse_what_is_no_picture_region_or_temperature(network):
    for wrong in (PICTURE.astype(np.float32), PICTURE[:, :, 0], PICTURE[:0], PICTURE.transpose(2, 0, 1)):
        for encode in (encode_source, encode_target):
            with pytest.raises(InputError, match="a picture must be RGB, H x W x 3, of bytes"):
                encode(network, wrong)
    source = encode_source(network, PICTURE)
    target = encode_target(network, PICTURE[:, :16])
    asked = Correspondence(source, target)
    with pytest.raises(InputError, match=r"a region is \(5, 5\), its picture \(32, 32\)"):
        source.region(np.ones((5, 5), bool))
    assert torch.equal(source.region(LABELS * 100), source.region(LABELS > 0))
    feature = source.point(3, 3)[None]
    for temperature in (0, -1, np.nan):
        for ask in (
            lambda t: asked.transfer(feature, t),
            asked.normaliser,
        ):
            with pytest.raises(InputError, match="temperature must be a finite number above 0"):
                ask(temperature)
    with pytest.raises(InputError, match="source grid, which is 2 x 2"):
        asked.transfer(torch.ones(1, 3, 3))
    with pytest.raises(InputError, match="the target grid"):
        best_match(torch.ones(2, 2), target)
