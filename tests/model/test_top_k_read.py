"""The read of a CPU against the one of any device, which is compared with golden numbers itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.fast_inference.top_k_read import BLOCK, LANES, quickest_read, top_k_read
from model.memory import read
from model.memory_bank import MemoryBank

ROOT = Path(__file__).parents[2]


def drawn(positions, queries, order=None):
    torch.manual_seed(0)
    key, value = torch.randn(1, positions, 128), torch.randn(1, positions, 512)
    query = torch.randn(1, queries, 128)
    if order is not None:  # by their affinity to the first query
        index = (key[0] @ query[0, 0]).argsort(descending=order == "falling")
        key = key[:, index]
    return key, value, query


@pytest.mark.parametrize("positions", [1, 30, BLOCK, 2 * BLOCK + 7])
@pytest.mark.parametrize("queries", [1, LANES, 3 * LANES + 5])
@pytest.mark.parametrize("k", [1, 50])
def test_it_is_the_read_for_any_number_of_positions_and_queries(positions, queries, k):
    key, value, query = drawn(positions, queries)
    torch.testing.assert_close(top_k_read(key, value, query, k), read(key, value, query, width=1, top_k=k))


@pytest.mark.parametrize("order", ["rising", "falling"])
def test_the_order_of_the_memory_does_not_matter(order):
    key, value, query = drawn(3 * BLOCK, 40, order)
    torch.testing.assert_close(top_k_read(key, value, query, 20), read(key, value, query, width=1, top_k=20))


def test_equal_positions_count_once_each():
    key, value, query = drawn(BLOCK + 10, 33)
    key[:] = key[:, :1]  # all alike: any k of them may be kept
    value[:] = value[:, :1]
    torch.testing.assert_close(top_k_read(key, value, query, 20), value[:, :1].expand(1, 33, -1))


def test_a_memory_in_half_precision_is_read_as_it_is_stored():
    key, value, query = drawn(2 * BLOCK, 70)
    half = key.half(), value.half()
    expected = read(half[0].float(), half[1].float(), query, width=1, top_k=50)
    torch.testing.assert_close(top_k_read(*half, query, 50), expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("km_sigma", "top_k"), [(None, 20), (7.0, 20), (None, None)])
def test_a_bank_reads_the_same_whichever_way_it_takes(km_sigma, top_k):
    key, value, query = drawn(60, 60)
    bank = MemoryBank(top_k, km_sigma, None, read=quickest_read)
    bank.write(key, value, time=0, permanent=True)
    expected = read(key, value, query, width=10, top_k=top_k, km_sigma=km_sigma)
    torch.testing.assert_close(bank.read(query, 10, slice(0, 1), 1 << 20), expected)


def test_compiled_loops_leave_pytorch_its_number_of_threads():
    """Numba sets the number of the library that both use when it first prepares its threads."""
    code = """
import torch
import model
threads = [torch.get_num_threads()]
torch.set_num_threads(1)
from model.fast_inference.compilation import use_threads_of_torch
use_threads_of_torch()
threads.append(torch.get_num_threads())
use_threads_of_torch()
print(*threads, torch.get_num_threads())
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["1", "1", "1"]
