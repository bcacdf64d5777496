import numpy as np
import pytest
import torch

from dataset.image_io import normalise
from dataset.interactive.scribbles import NONE, no_scribbles, split_scribbles
from model import load_s2m
from model.interactive.scribble_to_mask import S2MSegmenter
from model.padding import pad, padding_for, unpad
from scripts.benchmark.timing import tf32
from tests.conftest import GOLDEN, needs_gpu, on_gpu, refused
from tests.golden_weights import relative_error, s2m_network
from util.errors import InputError

PADDING = padding_for(88, 136)


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(GOLDEN / "interactive" / "s2m.npz"))


@pytest.fixture(scope="module")
def prepared(s2m_file):
    return load_s2m(s2m_file)


@pytest.fixture(scope="module", params=["plain", "prepared"])
def either(request, prepared):
    """The network as it is trained, and as it is used."""
    return s2m_network() if request.param == "plain" else prepared


@pytest.fixture(scope="module")
def golden_input(clip, golden):
    planes = torch.from_numpy(np.stack([golden[name] for name in ("prev", "pos", "neg")])).float()
    return pad(torch.cat([normalise(clip["frames"][0]), planes])[None], PADDING)


@torch.inference_mode()
def test_golden_features_and_logits(either, golden, golden_input):
    low, high = either.features(golden_input)
    assert relative_error(low[0, ::32], golden["low_feature"]) < 1e-4
    assert relative_error(high[0, ::64], golden["out_feature"]) < 1e-4
    assert relative_error(either(golden_input), golden["logits"]) < 1e-4


@tf32(False)
@torch.inference_mode()
@pytest.mark.parametrize(
    ("device", "amp", "most"),
    [("cpu", True, 0.05), *(on_gpu("cuda", amp, most) for amp, most in ((False, 1e-3), (True, 0.05)))],
)
def test_logits_on_every_device_are_near_golden(device, amp, most, s2m_file, golden, golden_input):
    network = load_s2m(s2m_file, device, amp)
    assert (network.backbone.conv1.weight.dtype == torch.bfloat16) == amp
    logits = network(golden_input.to(device))
    assert logits.dtype == torch.float32
    assert relative_error(logits, golden["logits"]) < most


@needs_gpu
@tf32(False)
def test_masks_on_a_gpu_are_those_of_a_cpu(s2m_file, golden, clip, prepared):
    given = clip["frames"][0], golden["scribbles"], clip["labels"][2], (1, 2)
    ours, expected = (S2MSegmenter(each).segment(*given) for each in (load_s2m(s2m_file, "cuda"), prepared))
    assert ours.device.type == "cuda" and relative_error(ours, expected) < 1e-2


def test_golden_masks_of_several_objects(either, clip, golden):
    image, before, scribbles = clip["frames"][0], clip["labels"][2], golden["scribbles"]
    segmenter = S2MSegmenter(either, widen=True)
    with torch.inference_mode():
        for label, expected in zip((1, 2), golden["multi_prob"], strict=True):
            planes = before == label, *split_scribbles(scribbles, label, widen=True)
            ours = segmenter._probability(normalise(image), *planes)
            assert relative_error(ours, unpad(torch.from_numpy(expected), PADDING)) < 1e-4
    hard = unpad(torch.from_numpy(golden["multi_hard"]), PADDING)
    prob = segmenter.segment(image, scribbles, before, [1, 2])
    torch.testing.assert_close(prob, hard, atol=2e-2, rtol=0)
    assert (prob - hard).abs().mean() <= 1e-4
    assert (prob.argmax(0) == hard.argmax(0)).all()


def test_objects_without_scribbles_stay_empty_at_odd_sizes(prepared, clip):
    image = np.ascontiguousarray(clip["frames"][0][:37, :53])
    scribbles = no_scribbles((37, 53))
    scribbles[5, 5:20] = 7
    prob = S2MSegmenter(prepared).segment(image, scribbles, None, [7, 9])
    assert prob.shape == (3, 37, 53)
    assert not (prob.argmax(0) == 2).any()
    only_background = no_scribbles((37, 53))
    only_background[3, 3] = 0
    prob = S2MSegmenter(prepared).segment(image, only_background, None, [7, 9])
    assert (prob.argmax(0) == 0).all()
    assert S2MSegmenter(prepared).segment(image, only_background, None, []).shape == (1, 37, 53)


def test_invalid_arguments_are_refused(prepared, clip):
    image, segmenter = clip["frames"][0], S2MSegmenter(prepared)
    with pytest.raises(InputError, match=r"scribbles of \(2, 3\) .* the frame, \(88, 136\)"):
        segmenter.segment(image, no_scribbles((2, 3)), None, [1])
    with pytest.raises(InputError, match=r"a previous mask of \(2, 3\) .* the frame, \(88, 136\)"):
        segmenter.segment(image, no_scribbles((88, 136)), np.zeros((2, 3), np.uint8), [1])
    scribbles = np.full((88, 136), NONE)
    scribbles[4, 4] = 6
    assert "object 6, none of [1, 2]" in refused(segmenter.segment, image, scribbles, None, [1, 2])
