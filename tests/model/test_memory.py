"""Memory reads: the plain read against golden numbers, the fast CPU read against the plain one."""

import numpy as np
import pytest
import torch

from model import memory
from model.fast_inference.top_k_read import BLOCK, LANES, fastest_read, top_k_read
from model.memory import read, to_map, to_rows
from model.memory_bank import MemoryBank
from tests.conftest import GOLDEN

READS = {
    "read_full": {},
    "read_top7": {"top_k": 7},
    "read_top7_km": {"top_k": 7, "km_sigma": 1.5},
    "read_full_km": {"km_sigma": 1.5},
}


@pytest.fixture(params=[memory.CHUNK_NUMBERS, 400], ids=["one chunk", "many chunks"])
def chunk_numbers(request, monkeypatch):
    monkeypatch.setattr(memory, "CHUNK_NUMBERS", request.param)


@pytest.mark.usefixtures("chunk_numbers")
@pytest.mark.parametrize("name", READS)
def test_reads_match_golden(name):
    golden = np.load(GOLDEN / "blocks.npz")
    key, value, query = (torch.from_numpy(golden[k]) for k in ("read_mk", "read_mv", "read_qk"))
    rows = to_rows(key.flatten(3)), to_rows(value.flatten(3)), to_rows(query)
    readout = read(*rows, width=6, **READS[name])
    torch.testing.assert_close(to_map(readout, (5, 6)), torch.from_numpy(golden[name]), atol=2e-5, rtol=1e-4)


@pytest.mark.usefixtures("chunk_numbers")
@pytest.mark.parametrize("km_sigma", [None, 2.0])
def test_a_batch_is_read_as_each_object_alone_and_k_may_exceed_the_memory(km_sigma):
    torch.manual_seed(1)
    key, value, query = torch.randn(3, 90, 16), torch.randn(3, 90, 8), torch.randn(3, 35, 16)
    options = {"width": 7, "km_sigma": km_sigma}
    readout = read(key, value, query, top_k=10_000, **options)
    for b in range(3):
        alone = read(key[b : b + 1], value[b : b + 1], query[b : b + 1], **options)
        torch.testing.assert_close(readout[b : b + 1], alone, atol=1e-5, rtol=1e-4)


def test_a_far_peak_does_not_underflow_to_nan():
    key = torch.eye(4)[None] * 30  # each memory position is similar to only one query position
    query = torch.eye(4)[None] * 30
    value = torch.arange(4.0).view(1, 4, 1)
    assert read(key, value, query, width=4, top_k=2, km_sigma=0.05).isfinite().all()


def drawn(positions, queries):
    torch.manual_seed(0)
    key, value = torch.randn(1, positions, 128), torch.randn(1, positions, 512)
    query = torch.randn(1, queries, 128)
    return key, value, query


@pytest.mark.parametrize("positions", [1, 2 * BLOCK + 7])
@pytest.mark.parametrize("queries", [LANES, 3 * LANES + 5])
@pytest.mark.parametrize("k", [1, 50])
def test_the_fast_read_equals_the_plain_read_for_any_sizes(positions, queries, k):
    key, value, query = drawn(positions, queries)
    torch.testing.assert_close(top_k_read(key, value, query, k), read(key, value, query, width=1, top_k=k))


@pytest.mark.parametrize(("km_sigma", "top_k"), [(None, 20), (7.0, 20), (None, None)])
def test_a_memory_bank_reads_the_same_with_any_options(km_sigma, top_k):
    key, value, query = drawn(60, 60)
    bank = MemoryBank(top_k, km_sigma, None, read=fastest_read)
    bank.write(key, value, time=0, permanent=True)
    expected = read(key, value, query, width=10, top_k=top_k, km_sigma=km_sigma)
    torch.testing.assert_close(bank.read(query, 10, slice(0, 1)), expected)
