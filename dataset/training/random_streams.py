"""Random numbers of training samples: a separate stream for each sample of each epoch."""

import numpy as np
import torch


class SampleStreams:
    """Creates the random generator of a sample in the current epoch.

    The generator depends on (seed, part, epoch, index) alone. So a sample does not depend on the worker or
    rank that draws it, and a resumed run draws the samples of an uninterrupted one. The epoch is in shared
    memory, so that persistent workers see it change.

    Args:
        seed: seed of the run.
        part: number of the data set in the run, so that the streams of data sets differ.
    """

    def __init__(self, seed: int, part: int = 0) -> None:
        self.seed = seed
        self.part = part
        self._epoch = shared_int(0)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; call it between epochs, before the loader's iterator is created."""
        self._epoch[0] = epoch

    def generator(self, index: int) -> np.random.Generator:
        """Return a new generator for one sample."""
        return np.random.default_rng((self.seed, self.part, int(self._epoch[0]), index))


def shared_int(value: int) -> torch.Tensor:
    """Return a one-element tensor that worker processes share."""
    return torch.tensor([value], dtype=torch.int64).share_memory_()
