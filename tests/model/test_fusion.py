import pytest
import torch

from model import load_fusion, load_network, load_s2m
from model.interactive.fusion import fuse, time_shares, transfer_difference
from model.padding import pad, padding_for
from scripts.benchmark.timing import tf32
from tests.conftest import on_gpu, refused
from tests.golden_weights import fusion_network, golden_tensors, relative_error
from util.errors import InputError


@pytest.fixture(scope="module")
def golden():
    return golden_tensors("interactive/fusion.npz")


@pytest.fixture(scope="module")
def frames(clip_frames):
    """Frames 3 and 6, padded: `3 x 96 x 144`."""
    return [pad(clip_frames[index], padding_for(88, 136)) for index in (3, 6)]


@tf32(False)
@torch.inference_mode()
@pytest.mark.parametrize(
    ("device", "amp", "most"),
    [
        *(("cpu", amp, most) for amp, most in ((None, 1e-4), (False, 1e-4), (True, 0.05))),
        *(on_gpu("cuda", amp, most) for amp, most in ((False, 1e-3), (True, 0.05))),
    ],
)
def test_golden_logits(device, amp, most, fusion_file, golden, frames):
    network = fusion_network() if amp is None else load_fusion(fusion_file, device, amp)
    shares = tuple(golden["dist"][0].tolist())
    assert shares == time_shares(6, 3, 7)
    inputs = (each.to(device) for each in (frames[1], *map(golden.get, ("seg1", "seg2", "attention"))))
    logits = fuse(network, *inputs, shares)
    assert logits.dtype == torch.float32
    assert relative_error(logits, golden["logits"]) < most


@torch.inference_mode()
@pytest.mark.parametrize("which", ["network", "loaded"])
def test_golden_attention(which, golden, frames, request):
    propagation = request.getfixturevalue(which)
    key, _ = propagation.encode_memory(frames[0][None], golden["mask_new"][None])
    query = propagation.encode_query(frames[1][None])
    difference = golden["mask_new"] - golden["mask_old"]
    attention = transfer_difference(difference, key, query.key, query.grid)
    assert relative_error(attention, golden["attention"]) < 1e-4


def test_a_file_of_another_network_is_refused(fusion_file, weights_file):
    for load, wanted in ((load_network, "propagation"), (load_s2m, "scribble-to-mask")):
        with pytest.raises(InputError) as error:
            load(fusion_file)
        assert f"{fusion_file} holds weights of the fusion network (flag --fusion)" in str(error.value)
        assert f"give weights of the {wanted} network" in str(error.value)
    assert "holds weights of the propagation network (flag --model)" in refused(load_fusion, weights_file)
