import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model import FusionNetwork, load_fusion, load_network, load_s2m
from model.correspondence import Correspondence, Features
from model.interactive.fusion import fuse, moved_difference, time_shares
from model.padding import pad, padding_for
from tests.conftest import GOLDEN
from tests.model.interactive_networks import fusion_network, relative_error
from util.errors import InputError


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "interactive" / "fusion.npz") as numbers:
        return {name: torch.from_numpy(numbers[name]) for name in numbers}


@pytest.fixture(scope="module")
def plain():
    return fusion_network()


@pytest.fixture(scope="module")
def fusion_file(plain, tmp_path_factory):
    path = tmp_path_factory.mktemp("fusion") / "fusion.pth"
    torch.save(plain.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def frames(clip_frames):
    """Frames 3 and 6, padded: `3 x 96 x 144`."""
    return [pad(clip_frames[index], padding_for(88, 136)) for index in (3, 6)]


def test_state_dict_names_shapes_and_types():
    published = json.loads((GOLDEN / "interactive" / "state_dict_fusion.json").read_text())
    state = FusionNetwork().state_dict()
    ours = {name: [list(t.shape), str(t.dtype).removeprefix("torch.")] for name, t in state.items()}
    assert ours == published


@torch.inference_mode()
@pytest.mark.parametrize(("amp", "most"), [(None, 1e-4), (False, 1e-4), (True, 0.05)])
def test_golden_logits(amp, most, plain, fusion_file, golden, frames):
    network = plain if amp is None else load_fusion(fusion_file, amp=amp)
    shares = tuple(golden["dist"][0].tolist())
    assert shares == time_shares(6, 3, 7)
    logits = fuse(network, frames[1], golden["seg1"], golden["seg2"], golden["attention"], shares)
    assert logits.dtype == torch.float32
    assert relative_error(logits, golden["logits"]) < most


@torch.inference_mode()
@pytest.mark.parametrize("which", ["network", "loaded"])
def test_golden_attention(which, golden, frames, request):
    propagation = request.getfixturevalue(which)
    key, _ = propagation.encode_memory(frames[0][None], golden["mask_new"][None])
    query = propagation.encode_query(frames[1][None])
    difference = golden["mask_new"] - golden["mask_old"]
    attention = moved_difference(difference, key, query.key, query.grid)
    assert relative_error(attention, golden["attention"]) < 1e-4


def test_attention_is_the_difference_times_the_correspondence():
    torch.manual_seed(0)
    key, query = torch.randn(3, 5 * 7, 128), torch.randn(1, 5 * 7, 128)
    difference = torch.rand(3, 80, 112) * 2 - 1
    ours = moved_difference(difference, key, query, (5, 7))
    pairs = [Correspondence(Features(each[None], (80, 112)), Features(query, (80, 112))) for each in key]
    for sign, channel in ((1, 0), (-1, 1)):
        coarse = F.avg_pool2d((sign * difference).clamp(0, 1)[:, None], 16)
        moved = torch.stack([pair.transfer(each) for pair, each in zip(pairs, coarse, strict=True)])
        moved = F.interpolate(moved, scale_factor=16, mode="bilinear", align_corners=False)
        torch.testing.assert_close(ours[:, channel], moved[:, 0])
    assert not moved_difference(torch.zeros(3, 80, 112), key, query, (5, 7)).any()


@pytest.mark.parametrize(
    ("frames_", "shares"), [((4, 2, 10), (0.75, 0.25)), ((8, 10, 2), (0.75, 0.25)), ((3, 2, 4), (0.5, 0.5))]
)
def test_time_shares(frames_, shares):
    """The first share is the distance from the frame beyond, the second that from the corrected one."""
    assert time_shares(*frames_) == shares


def test_a_file_of_another_network_is_named_as_such(fusion_file, weights_file):
    for load, wanted in ((load_network, "propagation"), (load_s2m, "scribble-to-mask")):
        with pytest.raises(InputError) as error:
            load(fusion_file)
        assert f"{fusion_file} is of the fusion network, which is given as --fusion" in str(error.value)
        assert f"give weights of the {wanted} network" in str(error.value)
    with pytest.raises(InputError, match="is of the propagation network, which is given as --model"):
        load_fusion(weights_file)
