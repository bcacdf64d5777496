"""The training of a one-shot fit: keys first when it starts from scratch, then the whole network."""

import logging
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
from scripts.one_shot.plan import (
    FIRST_STEPS,
    GOOD,
    LEAST_GROWTH,
    MORE_RATE,
    MORE_STEPS,
    WARM_UP,
    Plan,
    rate,
)
from util.ranks import Ranks

SCRATCH_SAMPLES = 16  # on which a start from scratch is normalised
KEY_BATCH = 2  # samples of a step that trains keys alone
KEY_RATE = 6e-5  # learning rate of these steps
KEY_PART = 0.25  # of the time, at most
KEY_STEPS_PER_STEP = 0.45  # takes less than that part
HARDEST_FROM, HARDEST_TO = 0.3, 0.8  # parts of the first round between which fewer pixels come to count

TIMED_STEPS = 10  # of the keys, by which the number of all steps is estimated
STEP_COST = 1.4  # of a step of the whole network, in steps of the keys
FEW_STEPS = 200  # with fewer, a fit is good or bad by chance

Show = Callable[[float, str], None]  # how much is done, 0 to 1, and a few words

log = logging.getLogger(__name__)


@dataclass
class Fit:
    """Trains a network on samples of one video, never the same twice.

    Attributes:
        amp: train by autocast in reduced precision.
        seconds: the limit of the whole fit.
        steps: of the first round of the whole network; None for as many as there is time for.
        overlap: measures the mean overlap on held-out samples, 0 to 1, after each round; None for one round.
        show: called after every step.
    """

    dataset: AnnotatedFrames
    ranks: Ranks
    amp: bool
    seconds: float
    steps: int | None
    show: Show
    overlap: Callable[[], float] | None = None
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
        plan = Plan(steps, KEY_PART * self.seconds)
        done = 0.0
        while done < 1:
            trainer.set_learning_rate(KEY_RATE * min(1.0, (trainer.iteration + 1) / WARM_UP))
            loss = trainer.step(next(batches)).losses.sum().item()
            done = plan.done(trainer.iteration)
            self.shown = KEY_PART * done
            self.show(self.shown, f"keys, step {trainer.iteration}, loss {loss:.3f}")
            if trainer.iteration == TIMED_STEPS:
                key_step = (time.perf_counter() - plan.start) / TIMED_STEPS
                self._say_if_slow((1 - KEY_PART) * self.seconds, key_step)
        return trainer.iteration

    @staticmethod
    def _say_if_slow(seconds: float, key_step: float) -> None:
        """Warn of a fit with few steps, by the `seconds` left and those of a step of the keys."""
        steps = seconds / (STEP_COST * key_step)
        if steps < FEW_STEPS:
            log.warning(
                "this processor is slow: about %.0f steps in this time, and with fewer than %d a fit is good "
                "or bad by chance; give more --minutes.",
                *(steps, FEW_STEPS),
            )

    def quicken(self, network: PropagationNetwork) -> None:
        """Let training steps be quick, see `quicken_training`."""
        if not self.amp:
            quicken_training(network, self.ranks.device)

    def train(self, task: RememberedForward, lr: float, batch_size: int) -> int:
        """Train a whole network with learning rates up to `lr`; return the number of steps taken.

        With `overlap`, rounds follow until the overlap is good or no longer grows, or the time is over.
        """
        self.quicken(task.network)
        trainer = Trainer(task, self.ranks, lr=lr)
        batches = self.batches(batch_size)
        self._round(trainer, batches, lr, self.steps)
        before = -math.inf
        while self.overlap is not None and self.passed() < self.seconds:
            now = self.overlap()
            if now >= GOOD or now < before + LEAST_GROWTH:
                break
            before = now
            self.shown = FIRST_STEPS / (FIRST_STEPS + MORE_STEPS)  # the bar goes back: there is more to do
            self._round(trainer, batches, MORE_RATE * lr, MORE_STEPS)
        return trainer.iteration

    def _round(self, trainer: Trainer, batches: Iterator[Sample], lr: float, steps: int | None) -> None:
        """Train until the steps or the time are over, with learning rates that rise to `lr` and fall."""
        first = trainer.iteration
        plan = Plan(steps, self.seconds - self.passed())
        taken, done = 0, 0.0
        while done < 1:
            if done > 0 and first == 0:  # later rounds keep the final fraction
                whole = taken / done  # steps that there will be, as it looks now
                trainer.bootstrap = Bootstrap(HARDEST_FROM * whole, HARDEST_TO * whole)
            trainer.set_learning_rate(lr * rate(taken, done))
            loss = trainer.step(next(batches)).losses.sum().item()
            taken = trainer.iteration - first
            done = plan.done(taken)
            self.show(self.shown + (1 - self.shown) * done, f"step {trainer.iteration}, loss {loss:.3f}")
