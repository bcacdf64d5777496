import signal

import numpy as np
import pytest

from tests.forked_runs import forked_runs
from tests.test_faults import Trial, few_and_many


@pytest.fixture(scope="module")
def runs():
    with forked_runs() as runs:
        yield runs


def masks(folder):
    """The bits of the probabilities of all frames."""
    with np.load(folder / "result.npz") as arrays:
        return {name: (arrays[name].shape, arrays[name].tobytes()) for name in arrays.files}


@pytest.mark.slow
@few_and_many
def test_a_killed_session_goes_on_and_ends_with_the_same_masks(kills, runs, tmp_path):
    def command(_):
        return ["session", "result.npz"]

    trial = Trial(runs, "tests.interactive_session", command, result=masks, signals=(signal.SIGKILL,))
    trial.endure(tmp_path, kills)
