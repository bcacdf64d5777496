import json
import logging

import pytest
import torch
import torch.nn.functional as F
from torchvision.models import resnet50

from dataset.image_io import normalise
from model import FusionNetwork, PropagationNetwork, S2MNetwork
from model.aggregation import aggregate, aggregate_logits, most_probable
from model.memory import affinity, to_rows
from model.resnet import imagenet_state_dict
from scripts.one_shot.from_scratch import initialise_from_scratch
from tests.conftest import GOLDEN
from tests.golden_weights import golden_tensors


@pytest.fixture(scope="module")
def golden():
    return golden_tensors("blocks.npz")


def assert_near(ours, golden):
    torch.testing.assert_close(ours, golden, atol=1e-3, rtol=1e-4)


NETWORKS = {
    "state_dict_so": lambda: PropagationNetwork(single_object=True),
    "state_dict_mo": PropagationNetwork,
    "interactive/state_dict_fusion": FusionNetwork,
    "interactive/state_dict_s2m": S2MNetwork,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_state_dicts_have_the_published_names_shapes_and_types(name):
    published = json.loads((GOLDEN / f"{name}.json").read_text())
    with torch.device("meta"):
        state = NETWORKS[name]().state_dict()
    ours = {key: [list(t.shape), str(t.dtype).removeprefix("torch.")] for key, t in state.items()}
    assert ours == published


@torch.inference_mode()
def test_query_side(network, golden):
    f16, f8, f4 = network.rgb_encoder(golden["image"][:1])
    for name, feature in (("f16", f16), ("f8", f8), ("f4", f4)):
        assert_near(feature[:, ::64], golden[name])
    key, value = network.kv_q_f16(f16)
    assert_near(key, golden["query_key"])
    assert_near(value[:, ::16], golden["query_value"])


@torch.inference_mode()
def test_memory_side(network, golden):
    with_masks = torch.cat([golden["image"], golden["mask"], golden["others"]], dim=1)
    f16 = network.mask_rgb_encoder(with_masks)
    assert_near(f16[:, ::64], golden["memory_f16"])
    key, value = network.kv_m_f16(f16)
    assert_near(key, golden["memory_key"])
    assert_near(value[:, ::16], golden["memory_value"])


@torch.inference_mode()
def test_the_decoder_matches_golden_for_two_objects(network, golden):
    with_masks = torch.cat([golden["image"], golden["mask"], golden["others"]], dim=1)
    memory_value = network.kv_m_f16(network.mask_rgb_encoder(with_masks))[1]  # 2 objects x 512 x 4 x 6
    query = network.encode_query(golden["image"][:1])
    assert_near(network.decode(to_rows(memory_value), query), golden["decoder_logits"])


def test_aggregation_matches_golden(golden):
    prob = aggregate(golden["aggregate_in"])
    torch.testing.assert_close(prob, golden["aggregate_out"], atol=1e-6, rtol=1e-5)
    moved = aggregate_logits(golden["aggregate_in"].transpose(0, 1), dim=1).softmax(1).transpose(0, 1)
    torch.testing.assert_close(moved, golden["aggregate_out"], atol=1e-6, rtol=1e-5)


def test_the_most_probable_label_equals_resizing_everything():
    torch.manual_seed(0)
    prob = torch.rand(4, 20, 30).softmax(0)
    resized = F.interpolate(prob[None], (47, 91), mode="bilinear", align_corners=False)[0]
    names = torch.tensor([0, 1, 1000, 2], dtype=torch.int32)
    assert torch.equal(most_probable(prob, names.tolist(), (47, 91)), names[resized.argmax(0)])


def test_imagenet_weights_reach_both_encoders(tmp_path, monkeypatch):
    torch.manual_seed(0)
    trunk = resnet50()
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.uniform_(-1, 1)
    hub = tmp_path / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    torch.save(trunk.state_dict(), hub / "resnet50-0676ba61.pth")  # the name torchvision looks for
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    network = PropagationNetwork()
    network.load_imagenet(imagenet_state_dict())
    theirs = trunk.state_dict()
    ours = network.rgb_encoder.state_dict()
    assert all(torch.equal(tensor, theirs[name.replace("res2", "layer1")]) for name, tensor in ours.items())
    memory = network.mask_rgb_encoder
    assert torch.equal(memory.conv1.weight[:, :3], theirs["conv1.weight"])
    assert torch.equal(memory.layer3[5].conv3.weight, theirs["layer3.5.conv3.weight"])
    assert not memory.layer3[5].conv3.bias.any()
    extra = memory.conv1.weight[:, 3:].flatten(1)  # 64 orthonormal rows of 2*7*7 numbers
    torch.testing.assert_close(extra @ extra.T, torch.eye(64), atol=1e-5, rtol=0)


def test_without_imagenet_there_is_a_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # refuses: nothing listens there
    with caplog.at_level(logging.WARNING):
        assert imagenet_state_dict() is None
    assert len(caplog.records) == 1
    assert "from scratch" in caplog.text


@torch.no_grad()
def test_from_scratch_each_position_matches_itself(clip):
    """Keys do not depend on masks, and values do."""
    torch.manual_seed(0)
    frames = torch.stack([normalise(frame[:80, :128]) for frame in clip["frames"]])
    masks = torch.from_numpy(clip["labels"][1][:80, :128] == 1).float().expand(len(frames), 1, -1, -1)
    network = PropagationNetwork(single_object=True)
    initialise_from_scratch(network, {"rgb": frames.unflatten(0, (4, 3)), "gt": masks.unflatten(0, (4, 3))})
    network.eval()
    key, value = network.encode_memory(frames[:1], masks[:1])
    key_without, _ = network.encode_memory(frames[:1], torch.zeros_like(masks[:1]))
    torch.testing.assert_close(key, key_without)
    covered = F.avg_pool2d(masks[0], 16).flatten()  # of each cell
    assert value[0, covered > 0.9, 0].min() > 0.5 > value[0, covered == 0, 0].mean()
    scores = affinity(key, network.encode_query(frames[:1]).key)[0]
    own = scores.argmax(dim=1) == torch.arange(scores.shape[0])
    assert own.float().mean() > 0.9
    assert (scores.softmax(dim=1).max(dim=1).values > 0.5).float().mean() > 0.5  # sharp enough for top-k
