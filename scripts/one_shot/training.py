"""The training of a one-shot fit: keys first when it starts from scratch, then the whole network."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor
from torch.utils.data import default_collate

from dataset.annotated_frames import AnnotatedFrames
from dataset.training_sample import Sample
from model import PropagationNetwork
from model.training.adam import ViewingAdam
from model.training.losses import Bootstrap
from model.training.trainer import MakeOptimizer, Trainer
from scripts.one_shot.from_scratch import initialise_from_scratch
from scripts.one_shot.key_forward import KeyForward
from scripts.one_shot.muon import Muon
from scripts.one_shot.remembered_forward import RememberedForward
from scripts.one_shot.schedule import WARM_UP, rate
from util.device import amp_dtype
from util.ranks import Ranks

SCRATCH_SAMPLES = 16  # on which a start from scratch is normalised
KEY_BATCH = 2  # samples of a step that trains keys alone
KEY_RATE = 6e-5  # learning rate of these steps
KEY_PART = 0.25  # of the time
KEY_STEPS_PER_STEP = 0.45  # takes about that part
MUON_FROM, MUON_TO = (
    200,
    500,
)  # steps of the whole network; with fewer Adam's are better, with more good enough
HARDEST_FROM, HARDEST_TO = 0.3, 0.8  # parts of the fit between which fewer pixels come to count

Show = Callable[[float, str], None]  # how much is done, 0 to 1, and a few words


@dataclass
class Fit:
    """Trains a network on samples of one video.

    Attributes:
        dataset: never the same sample twice.
        ranks: of one process.
        amp: reduced precision.
        seconds: that it may take.
        steps: of the whole network; None for as many as there is time for.
        show: called after every step.
        optimizer: what takes the steps, see `choose_optimizer`.
    """

    dataset: AnnotatedFrames
    ranks: Ranks
    amp: bool
    seconds: float
    steps: int | None
    show: Show
    optimizer: MakeOptimizer = ViewingAdam
    start: float = field(default_factory=time.perf_counter)
    drawn: int = 0
    shown: float = 0.0  # how much was done when the training of the whole network began

    def passed(self) -> float:
        """Return the seconds since the fit began."""
        return time.perf_counter() - self.start

    def draw(self, samples: int) -> Sample:
        """Return a batch of new samples; where none has a second object, that takes no part and no time."""
        first, self.drawn = self.drawn, self.drawn + samples
        batch = default_collate([self.dataset[first + i] for i in range(samples)])
        if batch["sec_gt"].any():
            return batch
        return {name: value for name, value in batch.items() if name not in ("sec_gt", "selector")}

    def batches(self, samples: int) -> Iterator[Sample]:
        """Yield batches as of `draw`; while a GPU is at work on one, the next is drawn."""
        if self.ranks.device.type == "cpu":  # where both at once take 1.2 times as long as in turns
            while True:
                yield self.draw(samples)
        with ThreadPoolExecutor(1) as pool:
            upcoming = pool.submit(self.draw, samples)
            while True:
                batch = upcoming.result()
                upcoming = pool.submit(self.draw, samples)
                yield batch

    def start_from_scratch(self, network: PropagationNetwork) -> int:
        """Initialise a network in place and train its keys alone; return the number of steps taken.

        Args:
            network: on the device of the ranks.
        """
        device = self.ranks.device
        first = {
            name: value.to(device)
            for name, value in self.draw(SCRATCH_SAMPLES).items()
            if isinstance(value, Tensor)
        }
        initialise_from_scratch(network, first)
        task = KeyForward(network, self.amp)
        trainer = Trainer(task, self.ranks, lr=KEY_RATE)
        batches = self.batches(KEY_BATCH)
        steps = None if self.steps is None else max(1, round(KEY_STEPS_PER_STEP * self.steps))
        done, before, ends = 0.0, 0, [self.passed()]
        while done < 1:
            if trainer.iteration == WARM_UP and self.optimizer is ViewingAdam:
                self.choose_optimizer(min(end - start for start, end in pairwise(ends)))
                if self.optimizer is not ViewingAdam:
                    before = WARM_UP
                    trainer = Trainer(task, self.ranks, lr=KEY_RATE, optimizer=self.optimizer)
            trainer.set_learning_rate(KEY_RATE * min(1.0, (trainer.iteration + 1) / WARM_UP))
            loss = trainer.step(next(batches)).losses.sum().item()
            ends.append(self.passed())
            done = self._done(before + trainer.iteration, steps, ends[-1], KEY_PART * self.seconds)
            self.show(KEY_PART * done, f"keys, step {before + trainer.iteration}, loss {loss:.3f}")
        self.shown = KEY_PART
        return before + trainer.iteration

    def choose_optimizer(self, key_step: float) -> None:
        """Choose Muon if there will be about as many steps as it is known to be good for.

        After few, each convolution was moved far and seldom, and the network is worse than it was at first.

        Args:
            key_step: seconds that a step of the keys takes.
        """
        steps = self.steps or KEY_PART * self.seconds / key_step / KEY_STEPS_PER_STEP
        if MUON_FROM <= steps <= MUON_TO:
            reduced = self.amp and amp_dtype(self.ranks.device) == torch.bfloat16
            self.optimizer = partial(Muon, dtype=torch.bfloat16 if reduced else torch.float32)

    def train(self, task: RememberedForward, lr: float, batch_size: int) -> int:
        """Train a whole network; return the number of steps taken.

        Args:
            task: with the network.
            lr: the highest learning rate.
            batch_size: samples of a step.
        """
        trainer = Trainer(task, self.ranks, lr=lr, optimizer=self.optimizer)
        before = self.passed()
        batches = self.batches(batch_size)
        done = 0.0
        while done < 1:
            if done > 0:
                whole = trainer.iteration / done  # steps that there will be, as it looks now
                trainer.bootstrap = Bootstrap(HARDEST_FROM * whole, HARDEST_TO * whole)
            trainer.set_learning_rate(lr * rate(trainer.iteration, done))
            loss = trainer.step(next(batches)).losses.sum().item()
            done = self._done(trainer.iteration, self.steps, self.passed() - before, self.seconds - before)
            self.show(self.shown + (1 - self.shown) * done, f"step {trainer.iteration}, loss {loss:.3f}")
        return trainer.iteration

    @staticmethod
    def _done(taken: int, steps: int | None, seconds: float, most: float) -> float:
        """Return the part that is done: of the steps if their number is given, else of the time."""
        if steps is not None:
            return min(1.0, taken / steps)
        return min(1.0, seconds / most) if most > 0 else 1.0
