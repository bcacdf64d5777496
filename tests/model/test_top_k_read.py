"""The CPU's read against the plain read, which is compared with golden numbers."""

import pytest
import torch

from model.fast_inference.top_k_read import BLOCK, LANES, quickest_read, top_k_read
from model.memory import read
from model.memory_bank import MemoryBank


def drawn(positions, queries):
    torch.manual_seed(0)
    key, value = torch.randn(1, positions, 128), torch.randn(1, positions, 512)
    query = torch.randn(1, queries, 128)
    return key, value, query


@pytest.mark.parametrize("positions", [1, 2 * BLOCK + 7])
@pytest.mark.parametrize("queries", [LANES, 3 * LANES + 5])
@pytest.mark.parametrize("k", [1, 50])
def test_it_equals_the_plain_read_for_any_sizes(positions, queries, k):
    key, value, query = drawn(positions, queries)
    torch.testing.assert_close(top_k_read(key, value, query, k), read(key, value, query, width=1, top_k=k))


def test_a_memory_in_half_precision_is_read_as_it_is_stored():
    key, value, query = drawn(2 * BLOCK, 70)
    half = key.half(), value.half()
    expected = read(half[0].float(), half[1].float(), query, width=1, top_k=50)
    torch.testing.assert_close(top_k_read(*half, query, 50), expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("km_sigma", "top_k"), [(None, 20), (7.0, 20), (None, None)])
def test_a_bank_reads_the_same_with_any_options(km_sigma, top_k):
    key, value, query = drawn(60, 60)
    bank = MemoryBank(top_k, km_sigma, None, read=quickest_read)
    bank.write(key, value, time=0, permanent=True)
    expected = read(key, value, query, width=10, top_k=top_k, km_sigma=km_sigma)
    torch.testing.assert_close(bank.read(query, 10, slice(0, 1), 1 << 20), expected)
