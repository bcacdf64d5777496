"""The training of a one-shot fit: keys first when it starts from scratch, then the whole network."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from torch import Tensor
from torch.utils.data import default_collate

from dataset.training.annotated_frames import AnnotatedFrames
from dataset.training.sample import Sample
from model import PropagationNetwork
from model.fast_inference.preparation import quicken_training
from model.training.losses import Bootstrap
from model.training.trainer import Trainer
from scripts.one_shot.forwards import KeyForward, RememberedForward
from scripts.one_shot.from_scratch import initialise_from_scratch
from util.ranks import Ranks

SCRATCH_SAMPLES = 16  # on which a start from scratch is normalised
KEY_BATCH = 2  # samples of a step that trains keys alone
KEY_RATE = 6e-5  # learning rate of these steps
KEY_PART = 0.25  # of the time
KEY_STEPS_PER_STEP = 0.45  # takes about that part
WARM_UP = 5  # steps with a growing rate: Adam's first ones change every weight as much as it allows
FULL_PART = 0.25  # of the fit at the full rate
LAST_RATE = 0.02  # of the rate, at the end: the weights settle
HARDEST_FROM, HARDEST_TO = 0.3, 0.8  # parts of the fit between which fewer pixels come to count

Show = Callable[[float, str], None]  # how much is done, 0 to 1, and a few words


@dataclass
class Fit:
    """Trains a network on samples of one video, never the same twice.

    Attributes:
        seconds: the limit of all of it.
        steps: of the whole network; None for as many as there is time for.
        show: called after every step.
    """

    dataset: AnnotatedFrames
    ranks: Ranks
    amp: bool
    seconds: float
    steps: int | None
    show: Show
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
        """Initialise a network in place and train its keys alone; return the number of steps taken."""
        device = self.ranks.device
        first = {
            name: value.to(device)
            for name, value in self.draw(SCRATCH_SAMPLES).items()
            if isinstance(value, Tensor)
        }
        initialise_from_scratch(network, first)
        self.quicken(network)
        task = KeyForward(network, self.amp)
        trainer = Trainer(task, self.ranks, lr=KEY_RATE)
        batches = self.batches(KEY_BATCH)
        steps = None if self.steps is None else max(1, round(KEY_STEPS_PER_STEP * self.steps))
        done = 0.0
        while done < 1:
            trainer.set_learning_rate(KEY_RATE * min(1.0, (trainer.iteration + 1) / WARM_UP))
            loss = trainer.step(next(batches)).losses.sum().item()
            done = self._done(trainer.iteration, steps, self.passed(), KEY_PART * self.seconds)
            self.show(KEY_PART * done, f"keys, step {trainer.iteration}, loss {loss:.3f}")
        self.shown = KEY_PART
        return trainer.iteration

    def quicken(self, network: PropagationNetwork) -> None:
        """Let training steps be quick, see `quicken_training`."""
        if not self.amp:
            quicken_training(network, self.ranks.device)

    def train(self, task: RememberedForward, lr: float, batch_size: int) -> int:
        """Train a whole network with learning rates up to `lr`; return the number of steps taken."""
        self.quicken(task.network)
        trainer = Trainer(task, self.ranks, lr=lr)
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


def rate(step: int, done: float) -> float:
    """Return the factor of the learning rate: a warm-up, a while at 1, then half a cosine down.

    Args:
        step: counted from 0.
        done: part of the fit that is over, by steps or by time, 0 to 1.
    """
    falling = max(0.0, min(1.0, done) - FULL_PART) / (1 - FULL_PART)
    cosine = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * falling)) / 2
    return min((step + 1) / WARM_UP, cosine)
