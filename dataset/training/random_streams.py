"""Random numbers of training samples: each sample of each epoch has a stream of its own."""

import numpy as np
import torch


class SampleStreams:
    """Gives the generator of sample `index` in the current epoch.

    The stream depends on (seed, part, epoch, index) alone, so a sample is the same whichever worker, rank or
    process draws it, and a resumed run sees what the uninterrupted one would have seen.

    The epoch lies in shared memory: workers that outlive an epoch see it change.

    Args:
        seed: of the run.
        part: which of several data sets that are mixed in one run, so that their streams differ.
    """

    def __init__(self, seed: int, part: int = 0) -> None:
        self.seed = seed
        self.part = part
        self._epoch = shared_int(0)

    def set_epoch(self, epoch: int) -> None:
        """Move to another epoch; call it between epochs, before the loader's iterator is made."""
        self._epoch[0] = epoch

    def generator(self, index: int) -> np.random.Generator:
        """Return a fresh generator for one sample."""
        return np.random.default_rng((self.seed, self.part, int(self._epoch[0]), index))


def shared_int(value: int) -> torch.Tensor:
    """Return a one-element tensor that worker processes share."""
    return torch.tensor([value], dtype=torch.int64).share_memory_()
