import numpy as np
import pytest
import torch

from model import memory
from model.memory import read, to_map, to_rows
from tests.conftest import GOLDEN

READS = {
    "read_full": {},
    "read_top7": {"top_k": 7},
    "read_top7_km": {"top_k": 7, "km_sigma": 1.5},
    "read_full_km": {"km_sigma": 1.5},
}


@pytest.fixture(params=[memory.CHUNK_NUMBERS, 400], ids=["one chunk", "many chunks"])
def chunk_numbers(request):
    return request.param


@pytest.mark.parametrize("name", READS)
def test_reads_match_golden(name, chunk_numbers):
    golden = np.load(GOLDEN / "blocks.npz")
    key, value, query = (torch.from_numpy(golden[k]) for k in ("read_mk", "read_mv", "read_qk"))
    rows = to_rows(key.flatten(3)), to_rows(value.flatten(3)), to_rows(query)
    readout = read(*rows, width=6, chunk_numbers=chunk_numbers, **READS[name])
    torch.testing.assert_close(to_map(readout, (5, 6)), torch.from_numpy(golden[name]), atol=2e-5, rtol=1e-4)


def dense_read(key, value, query, width, top_k=None, km_sigma=None):
    """The formula of the papers, column by column, on an N x HW affinity."""
    a = key @ query.T / key.shape[1] ** 0.5
    weights = (a - a.max(dim=0).values).exp()
    if km_sigma is not None:
        centre = a.argmax(dim=1)
        position = torch.arange(a.shape[1])
        dy = (position // width)[None] - (centre // width)[:, None]
        dx = (position % width)[None] - (centre % width)[:, None]
        weights = weights * (-(dx**2 + dy**2) / (2 * km_sigma**2)).exp()
    if top_k is not None:
        kept = weights.topk(min(top_k, a.shape[0]), dim=0)
        weights = torch.zeros_like(weights).scatter(0, kept.indices, kept.values)
    return (weights / weights.sum(dim=0)).T @ value


@pytest.mark.parametrize("top_k", [None, 20, 10_000])
@pytest.mark.parametrize("km_sigma", [None, 2.0])
def test_a_batched_read_equals_the_dense_formula(top_k, km_sigma, chunk_numbers):
    torch.manual_seed(1)
    key, value, query = torch.randn(3, 90, 16), torch.randn(3, 90, 8), torch.randn(3, 35, 16)
    options = {"top_k": top_k, "km_sigma": km_sigma, "chunk_numbers": chunk_numbers}
    readout = read(key, value, query, width=7, **options)
    for b in range(3):
        expected = dense_read(key[b], value[b], query[b], 7, top_k, km_sigma)
        torch.testing.assert_close(readout[b], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("positions", [50, 1000, 1007])  # too few for groups, and with a rest or without
@pytest.mark.parametrize("k", [1, 50])
def test_the_k_best_are_those_of_a_full_sort(positions, k):
    torch.manual_seed(3)
    scores = torch.randn(2, 7, positions)
    values, index = memory.k_best(scores, k)
    torch.testing.assert_close(scores.gather(-1, index), values, atol=0, rtol=0)
    expected = scores.sort(dim=-1, descending=True).indices[..., :k]
    assert torch.equal(index.sort().values, expected.sort().values)


def test_half_precision_memory_is_read_to_a_thousandth():
    torch.manual_seed(4)
    key, value, query = torch.randn(1, 900, 64), torch.randn(1, 900, 8), torch.randn(1, 30, 64)
    for top_k in (None, 20):
        exact = read(key, value, query, width=6, top_k=top_k)
        ours = read(key.half(), value.half(), query, width=6, top_k=top_k)
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, exact, atol=4e-3, rtol=0)


def test_a_far_peak_does_not_underflow_to_nan():
    key = torch.eye(4)[None] * 30  # each memory position is similar to only one query position
    query = torch.eye(4)[None] * 30
    value = torch.arange(4.0).view(1, 4, 1)
    assert read(key, value, query, width=4, top_k=2, km_sigma=0.05).isfinite().all()
