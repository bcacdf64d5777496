"""Which samples make up which batch."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from util.ranks import Ranks


class BatchOrder(Sampler[list[int]]):
    """Deals shuffled samples out to the processes, batch by batch, the same way in every run.

    Each epoch has its own order, drawn from the seed and the epoch's number alone. A batch of the
    whole run is a stretch of that order, of which each process takes its share: the samples of an
    iteration depend on neither the number of processes nor where a run was stopped and resumed.
    An incomplete last batch is left out; a data set smaller than one batch is repeated to fill it.

    Args:
        samples: number of them.
        batch_size: of each process.
        ranks: the processes.
        seed: of the order.
    """

    def __init__(self, samples: int, batch_size: int, ranks: Ranks, seed: int) -> None:
        self.samples = samples
        self.batch_size = batch_size
        self.ranks = ranks
        self.seed = seed
        self.whole_batch = batch_size * ranks.count
        self.batches = max(samples // self.whole_batch, 1)  # in an epoch
        self.epoch = 0
        self.start = 0

    def seek(self, iteration: int) -> int:
        """Go to the batch of an iteration (from 0), and return the epoch it lies in."""
        self.epoch, self.start = divmod(iteration, self.batches)
        return self.epoch

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this process's batches from the current one to the end of the epoch."""
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.samples)
        order = np.tile(order, -(-self.whole_batch // self.samples))
        for batch in range(self.start, self.batches):
            first = batch * self.whole_batch + self.ranks.rank * self.batch_size
            yield order[first : first + self.batch_size].tolist()

    def __len__(self) -> int:
        return self.batches - self.start
