"""Loops compiled by Numba."""

import numpy as np
import pytest
from numba import prange, types

from model.fast_inference.compilation import compiled


def test_a_compiled_loop_refuses_other_argument_types():
    def negate(x):
        for i in prange(len(x)):
            x[i] = -x[i]

    loop = compiled(negate, types.float32[::1])
    x = np.ones(4, np.float32)
    loop(x)
    assert x.tolist() == [-1] * 4
    with pytest.raises(TypeError):
        loop(np.ones(4))
