import numpy as np
import pytest
import torch

from model import memory
from model.correspondence import Correspondence, Features, find_best_match
from tests.golden_weights import golden_tensors


@pytest.fixture(scope="module")
def golden():
    return golden_tensors("correspondence.npz")


@pytest.fixture(params=[1 << 23, 1000], ids=["one chunk", "many chunks"])
def chunk_numbers(request, monkeypatch):
    monkeypatch.setattr(memory, "CHUNK_NUMBERS", request.param)


@pytest.fixture(scope="module")
def golden_keys(network, golden):
    """Source and target of the golden pair, which is stored normalised."""
    with torch.inference_mode():
        key, _ = network.encode_memory(golden["source"], torch.zeros(1, 1, 64, 96))
        query = network.encode_query(golden["target"]).key
    return key, query


def features(seed, size):
    torch.manual_seed(seed)
    grid = -(-size[0] // 16), -(-size[1] // 16)
    return Features(torch.randn(1, grid[0] * grid[1], 128), size)


@pytest.mark.usefixtures("chunk_numbers")
def test_golden(golden, golden_keys):
    lazy = Correspondence(Features(golden_keys[0], (64, 96)), Features(golden_keys[1], (64, 96)))
    weights = lazy.transfer(torch.eye(24).view(24, 4, 6)).flatten(1)
    torch.testing.assert_close(weights, golden["W"][0], atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(
        lazy.transfer(golden["feature"][0]), golden["transferred"][0], atol=1e-5, rtol=1e-3
    )


@pytest.mark.usefixtures("chunk_numbers")
def test_a_transfer_equals_the_product_with_the_whole_matrix():
    temperature = 0.25
    source, target = features(0, (100, 130)), features(1, (64, 200))
    dense = (source.key[0] @ target.key[0].T / 128**0.5 / temperature).softmax(dim=0)
    lazy = Correspondence(source, target)
    feature = torch.rand(3, 7, 9)
    expected = (feature.flatten(1) @ dense).view(3, 4, 13)
    torch.testing.assert_close(lazy.transfer(feature, temperature), expected)


def test_a_region_is_the_covered_share_of_each_cell():
    picture = features(0, (64, 96))
    mask = np.zeros((64, 96), bool)
    mask[16:32, 32:56] = True
    expected = torch.zeros(4, 6)
    expected[1, 2], expected[1, 3] = 1, 0.5
    assert torch.equal(picture.region(mask), expected)
    # padding is not covered: 61 x 83 is padded by 1 pixel at the top and 6 at the left
    odd = features(0, (61, 83)).region(np.ones((61, 83), bool))
    assert odd[0, 1] == 15 / 16
    assert odd[1, 0] == 10 / 16


def test_the_best_match_is_finer_than_a_cell_and_ignores_far_cells():
    picture = features(0, (160, 160))
    heat = torch.zeros(10, 10)
    heat[4, 5], heat[4, 6], heat[9, 0] = 0.6, 0.3, 0.5
    match = find_best_match(heat, picture)
    assert (match.x, match.y) == pytest.approx(picture.pixel_of(4, 5 + 1 / 3), abs=1e-4)
    assert match.score == pytest.approx(0.6)
