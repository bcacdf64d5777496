import json
import logging

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.models import resnet50

from model import PropagationNetwork
from model.aggregation import aggregate, aggregate_logits, argmax_at
from model.memory import to_map, to_rows
from tests.conftest import GOLDEN


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "blocks.npz") as numbers:
        return {name: torch.from_numpy(numbers[name]) for name in numbers}


def assert_near(ours, golden):
    torch.testing.assert_close(ours, golden, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("variant", ["so", "mo"])
def test_state_dict_names_shapes_and_types(variant):
    published = json.loads((GOLDEN / f"state_dict_{variant}.json").read_text())
    state = PropagationNetwork(single_object=variant == "so").state_dict()
    ours = {name: [list(t.shape), str(t.dtype).removeprefix("torch.")] for name, t in state.items()}
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
def test_encode_memory_gives_each_object_the_sum_of_the_others(network):
    torch.manual_seed(0)
    frames, masks = torch.randn(2, 3, 32, 48), torch.rand(2, 3, 32, 48)
    keys, values = network.encode_memory(frames, masks)
    others = masks[1, 0] + masks[1, 2]
    by_hand = torch.cat([frames[1], masks[1, 1:2], others[None]])[None]
    key, value = network.kv_m_f16(network.mask_rgb_encoder(by_hand))
    row = 1 * 3 + 1  # second frame, second object
    torch.testing.assert_close(to_map(keys, (2, 3))[row], key[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(to_map(values, (2, 3))[row], value[0], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_decoder_matches_golden_with_the_frame_part_shared_by_two_objects(network, golden):
    with_masks = torch.cat([golden["image"], golden["mask"], golden["others"]], dim=1)
    memory_value = network.kv_m_f16(network.mask_rgb_encoder(with_masks))[1]  # 2 objects x 512 x 4 x 6
    query = network.encode_query(golden["image"][:1])
    assert_near(network.decode(to_rows(memory_value), query), golden["decoder_logits"])


@torch.inference_mode()
def test_halved_compress_block_equals_the_plain_one(network):
    torch.manual_seed(0)
    block, readout, value = network.decoder.compress, torch.randn(6, 512, 4, 5), torch.randn(2, 512, 4, 5)
    x = torch.cat([readout, value.repeat_interleave(3, dim=0)], dim=1)
    plain = block.downsample(x) + block.conv2(F.relu(block.conv1(F.relu(x))))
    torch.testing.assert_close(block(readout, block.frame_half(value)), plain, atol=1e-4, rtol=1e-4)


def test_aggregation_matches_golden(golden):
    prob = aggregate(golden["aggregate_in"])
    torch.testing.assert_close(prob, golden["aggregate_out"], atol=1e-6, rtol=1e-5)
    moved = aggregate_logits(golden["aggregate_in"].transpose(0, 1), dim=1).softmax(1).transpose(0, 1)
    torch.testing.assert_close(moved, golden["aggregate_out"], atol=1e-6, rtol=1e-5)


def test_argmax_at_equals_resizing_everything():
    torch.manual_seed(0)
    prob = torch.rand(4, 20, 30).softmax(0)
    resized = F.interpolate(prob[None], (47, 91), mode="bilinear", align_corners=False)[0]
    assert torch.equal(argmax_at(prob, (47, 91)), resized.argmax(0))
    assert torch.equal(argmax_at(prob), prob.argmax(0))


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
    network.initialise_encoders()
    theirs = trunk.state_dict()
    ours = network.rgb_encoder.state_dict()
    assert all(torch.equal(tensor, theirs[name.replace("res2", "layer1")]) for name, tensor in ours.items())
    memory = network.mask_rgb_encoder
    assert torch.equal(memory.conv1.weight[:, :3], theirs["conv1.weight"])
    assert torch.equal(memory.layer3[5].conv3.weight, theirs["layer3.5.conv3.weight"])
    assert not memory.layer3[5].conv3.bias.any()
    extra = memory.conv1.weight[:, 3:].flatten(1)  # 64 orthonormal rows of 2*7*7 numbers
    torch.testing.assert_close(extra @ extra.T, torch.eye(64), atol=1e-5, rtol=0)


def test_without_imagenet_the_trunks_start_as_their_shortcuts(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # refuses: nothing listens there
    network = PropagationNetwork()
    with caplog.at_level(logging.WARNING):
        network.initialise_encoders()
    assert len(caplog.records) == 1
    assert "from scratch" in caplog.text
    block = network.rgb_encoder.layer2[1]
    x = torch.rand(1, 512, 4, 4)
    assert torch.equal(block.eval()(x), x)
    # the signal must not vanish or explode, for frozen batch norm does not rescale it
    f16 = network.eval().rgb_encoder(torch.randn(1, 3, 64, 64))[0]
    assert 0.05 < f16.std() < 20
