"""The training of a one-shot fit: keys first when it starts from scratch, then the whole network."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat

from torch import Tensor
from torch.utils.data import default_collate

from dataset.training.annotated_frames import AnnotatedFrames
from dataset.training.sample import Sample
from model import PropagationNetwork
from model.fast_inference.preparation import quicken_training
from model.training.forward import TrainingForward
from model.training.losses import Bootstrap
from model.training.trainer import Trainer
from scripts.one_shot.forwards import KeyForward, RememberedForward
from scripts.one_shot.from_scratch import initialise_from_scratch
from util.background import prefetch
from util.ranks import Ranks

SCRATCH_SAMPLES = 16  # samples that set batch-norm statistics at the start
KEY_BATCH = 2  # samples of a step that trains keys alone
KEY_RATE = 6e-5  # learning rate of the steps that train keys alone
KEY_PART = 0.25  # largest share of the time limit spent on the keys
KEY_STEPS_PER_STEP = 0.45  # key steps per step of the first round (225 for 500)

WARM_UP = 5  # steps with a growing rate: Adam's first ones change every weight as much as it allows
FULL_PART = 0.25  # share of a round at the full learning rate, before it falls
LAST_RATE = 0.02  # final learning rate, as a share of the largest
HARDEST_FROM, HARDEST_TO = 0.3, 0.8  # shares of the first round between which fewer pixels come to count

FIRST_STEPS = 500  # steps of the first round when time allows
MORE_STEPS, MORE_RATE = 200, 0.5  # steps of each further round, and its share of the learning rate
GOOD = 0.8  # mean overlap on held-out samples with which a fit is done
LEAST_GROWTH = 0.01  # smallest growth of the overlap that starts another round

TIMED_STEPS = 10  # steps after which the number of whole-network steps is estimated
STEP_COST = 1.4  # time of a whole-network step divided by that of a key step
FEW_STEPS = 300  # with fewer steps, the quality of a fit depends on the seed

log = logging.getLogger(__name__)


def rate_factor(step: int, done: float) -> float:
    """Return the factor of the learning rate: a warm-up, a while at 1, then half a cosine down.

    Args:
        step: index of the step in the round, from 0.
        done: part of the round that is over, 0 to 1.
    """
    falling = max(0.0, min(1.0, done) - FULL_PART) / (1 - FULL_PART)
    cosine = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * falling)) / 2
    return min((step + 1) / WARM_UP, cosine)


@dataclass
class Fit:
    """Trains a network on samples of one video, never the same twice.

    Attributes:
        dataset: samples of the video.
        ranks: the process and its device.
        amp: whether to train in reduced precision.
        seconds: time limit of the whole fit.
        steps: steps of the first round of the whole network; None for as many as there is time for.
        show: function that shows the part that is done, 0 to 1, with a few words; called after every step.
    """

    dataset: AnnotatedFrames
    ranks: Ranks
    amp: bool
    seconds: float
    steps: int | None
    show: Callable[[float, str], None]
    start: float = field(default_factory=time.perf_counter)
    drawn: int = 0
    estimated: bool = False

    def passed(self) -> float:
        """Return the seconds since the fit began."""
        return time.perf_counter() - self.start

    def draw(self, samples: int) -> Sample:
        """Return a batch of new samples; a second object that none of them shows is left out."""
        first, self.drawn = self.drawn, self.drawn + samples
        batch = default_collate([self.dataset[first + i] for i in range(samples)])
        if batch["sec_gt"].any():
            return batch
        return {name: value for name, value in batch.items() if name not in ("sec_gt", "selector")}

    def start_from_scratch(self, network: PropagationNetwork) -> int:
        """Initialise a network in place and train its keys alone; return the number of steps taken."""
        drawn = self.draw(SCRATCH_SAMPLES)
        first = {n: v.to(self.ranks.device) for n, v in drawn.items() if isinstance(v, Tensor)}
        initialise_from_scratch(network, first)
        trainer = self._trainer(KeyForward(network, self.amp))
        steps = None if self.steps is None else max(1, round(KEY_STEPS_PER_STEP * self.steps))
        self._round(trainer, KEY_BATCH, KEY_RATE, steps, KEY_PART * self.seconds, (0, KEY_PART))
        return trainer.iteration

    def train(
        self,
        task: RememberedForward,
        lr: float,
        shown: float = 0.0,
        overlap: Callable[[], float] | None = None,
    ) -> int:
        """Train a whole network in one round or more; return the number of steps taken.

        Args:
            task: forward pass with the network.
            lr: largest learning rate.
            shown: part of the fit that is done already.
            overlap: function that measures the mean overlap on held-out samples, 0 to 1. Rounds follow until
                it is good or no longer grows, or the time is over. None for one round.
        """
        trainer = self._trainer(task)
        self._round(trainer, 1, lr, self.steps, self.seconds - self.passed(), (shown, 1))
        before = -math.inf
        while overlap is not None and self.passed() < self.seconds:
            now = overlap()
            if now >= GOOD or now < before + LEAST_GROWTH:
                break
            before = now
            more = FIRST_STEPS / (FIRST_STEPS + MORE_STEPS), 1  # the bar goes back: there is more to do
            left = self.seconds - self.passed()
            self._round(trainer, 1, MORE_RATE * lr, MORE_STEPS, left, more)
        return trainer.iteration

    def _trainer(self, task: TrainingForward) -> Trainer:
        if not self.amp:
            quicken_training(task.network, self.ranks.device)
        return Trainer(task, self.ranks)

    def _round(
        self,
        trainer: Trainer,
        batch_size: int,
        lr: float,
        steps: int | None,
        seconds: float,
        shown: tuple[float, float],
    ) -> None:
        """Train until the steps or the time are over.

        The learning rate rises to `lr`; for the whole network it falls again, and fewer pixels count.
        """
        keys = isinstance(trainer.task, KeyForward)
        first, start = trainer.iteration, time.perf_counter()
        sizes = repeat(batch_size)
        if self.ranks.device.type == "cpu":
            batches: Iterator[Sample] = map(self.draw, sizes)
        else:  # the next batch is drawn while a GPU computes; on a CPU this would be slower
            batches = prefetch(self.draw, sizes, depth=1, threads=1)
        taken, done = 0, 0.0
        while done < 1:
            if done > 0 and first == 0 and not keys:  # later rounds keep the final fraction
                whole = taken / done  # the steps that this round will probably have
                trainer.bootstrap = Bootstrap(HARDEST_FROM * whole, HARDEST_TO * whole)
            trainer.set_learning_rate(lr * rate_factor(taken, 0 if keys else done))
            loss = trainer.step(next(batches)).losses.sum().item()
            taken = trainer.iteration - first
            by_time = (time.perf_counter() - start) / seconds if seconds > 0 else 1.0
            done = min(1.0, max(by_time, taken / (steps or math.inf)))
            if taken == TIMED_STEPS and not self.estimated:
                self.estimated = True
                share, cost = (1 - KEY_PART, STEP_COST) if keys else (1.0, 1.0)
                _warn_of_few_steps(share * self.seconds * TIMED_STEPS / cost / (time.perf_counter() - start))
            part = shown[0] + (shown[1] - shown[0]) * done
            self.show(part, f"{'keys, ' * keys}step {trainer.iteration}, loss {loss:.3f}")


def _warn_of_few_steps(steps: float) -> None:
    if steps < FEW_STEPS:
        log.warning(
            "this processor is slow: about %.0f steps fit into the time, and below %d steps the quality of a "
            "fit depends on the seed; give more --minutes.",
            *(steps, FEW_STEPS),
        )
