"""The order of samples in batches."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from util.ranks import Ranks


class BatchOrder(Sampler[list[int]]):
    """Distributes shuffled samples over batches and processes, reproducibly.

    The order of an epoch depends on the seed and the epoch alone. A batch of the whole run is a part of that
    order, and each process takes its share; so the samples of an iteration do not depend on the number of
    processes or on interruptions of the run. An incomplete last batch is left out. A data set smaller than
    one batch is repeated.

    Args:
        samples: number of samples.
        batch_size: samples per batch and process.
        ranks: processes of the run.
        seed: seed of the order.
    """

    def __init__(self, samples: int, batch_size: int, ranks: Ranks, seed: int) -> None:
        self.samples = samples
        self.batch_size = batch_size
        self.ranks = ranks
        self.seed = seed
        self.whole_batch = batch_size * ranks.count
        self.batches = max(samples // self.whole_batch, 1)  # batches of an epoch
        self.epoch = 0
        self.start = 0

    def seek(self, iteration: int) -> int:
        """Go to the batch of an iteration (from 0), and return its epoch."""
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
