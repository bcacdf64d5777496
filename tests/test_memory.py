import numpy as np
import pytest
import torch

from model import memory
from model.memory import affinity, read, to_map, to_rows
from tests.conftest import GOLDEN

READS = {
    "read_full": {},
    "read_top7": {"top_k": 7},
    "read_top7_km": {"top_k": 7, "km_sigma": 1.5},
    "read_full_km": {"km_sigma": 1.5},
}


@pytest.fixture(params=[1 << 23, 400], ids=["one chunk", "many chunks"])
def chunk_numbers(request, monkeypatch):
    monkeypatch.setattr(memory, "CHUNK_NUMBERS", request.param)


@pytest.mark.parametrize("name", READS)
@pytest.mark.usefixtures("chunk_numbers")
def test_reads_match_golden(name):
    golden = np.load(GOLDEN / "blocks.npz")
    key, value, query = (torch.from_numpy(golden[k]) for k in ("read_mk", "read_mv", "read_qk"))
    readout = read(to_rows(key.flatten(3)), to_rows(value.flatten(3)), to_rows(query), width=6, **READS[name])
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


@pytest.mark.parametrize("top_k", [None, 1, 20, 10_000])
@pytest.mark.parametrize("km_sigma", [None, 2.0])
@pytest.mark.usefixtures("chunk_numbers")
def test_read_equals_the_dense_formula_for_each_of_a_batch(top_k, km_sigma):
    torch.manual_seed(1)
    key, value, query = torch.randn(3, 90, 16), torch.randn(3, 90, 8), torch.randn(3, 35, 16)
    readout = read(key, value, query, width=7, top_k=top_k, km_sigma=km_sigma)
    for b in range(3):
        expected = dense_read(key[b], value[b], query[b], 7, top_k, km_sigma)
        torch.testing.assert_close(readout[b], expected, atol=1e-5, rtol=1e-4)


def test_top_k_of_everything_equals_full():
    torch.manual_seed(2)
    key, value, query = torch.randn(1, 40, 16), torch.randn(1, 40, 8), torch.randn(1, 30, 16)
    full = read(key, value, query, width=6)
    for k in (40, 41, 1000):
        torch.testing.assert_close(read(key, value, query, width=6, top_k=k), full, atol=1e-6, rtol=1e-5)


def test_a_far_peak_does_not_underflow_to_nan():
    key = torch.eye(4)[None] * 30  # each memory position is akin to one query position alone
    query = torch.eye(4)[None] * 30
    value = torch.arange(4.0).view(1, 4, 1)
    assert read(key, value, query, width=4, top_k=2, km_sigma=0.05).isfinite().all()


def test_affinity_is_scaled_and_one_row_per_query():
    key, query = torch.randn(2, 5, 16), torch.randn(2, 3, 16)
    expected = torch.einsum("bnc,bqc->bqn", key, query) / 4
    torch.testing.assert_close(affinity(key, query), expected)
