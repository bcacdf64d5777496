"""How long a one-shot fit trains, and the schedule of its learning rate."""

import math
import time
from collections.abc import Callable

WARM_UP = 5  # steps with a growing rate: Adam's first ones change every weight as much as it allows
FULL_PART = 0.6  # of the fit at the full rate; then the weights settle
LAST_RATE = 0.02  # of the rate, at the end
FIRST_LOOK, LOOK_EVERY = 160, 40  # steps after which the overlap on held-out samples is measured,
LEAST_PART = 0.25  # but not before this part of the time, in which a GPU takes many steps
LEAST_GROWTH = 0.01  # of the overlap, from the best look before to this one


class Plan:
    """How far the training is, by the steps where their number is known, else by time.

    Args:
        steps: in all; None for as many as there is time for.
        seconds: from now on, where the number of steps is not given.
        overlap: measures the mean overlap on held-out samples, 0 to 1. When it no longer grows, the rest of
            the fit is planned: the weights settle, without using up the time. None: the time is used up.
    """

    def __init__(self, steps: int | None, seconds: float, overlap: Callable[[], float] | None = None) -> None:
        self.steps: float | None = steps
        self.seconds = seconds if steps is None else math.inf
        self.overlap = overlap if steps is None else None
        self.start = time.perf_counter()
        self.best = -math.inf  # overlap so far

    def done(self, taken: int) -> float:
        """Return the part of the fit that is over after a number of steps, 0 to 1."""
        passed = time.perf_counter() - self.start
        by_time = min(1.0, passed / self.seconds) if self.seconds > 0 else 1.0
        if self.steps is None and LEAST_PART <= by_time < FULL_PART and self._is_good(taken):
            self.steps = taken / FULL_PART
        return by_time if self.steps is None else max(by_time, min(1.0, taken / self.steps))

    def _is_good(self, taken: int) -> bool:
        """Tell whether the overlap has stopped growing; it is measured every `LOOK_EVERY` steps."""
        if self.overlap is None or taken < FIRST_LOOK or (taken - FIRST_LOOK) % LOOK_EVERY:
            return False
        before, now = self.best, self.overlap()
        self.best = max(before, now)
        return now < before + LEAST_GROWTH


def rate(step: int, done: float) -> float:
    """Return the factor of the learning rate: a warm-up, a while at 1, then half a cosine down.

    Args:
        step: counted from 0.
        done: part of the fit that is over, by steps or by time, 0 to 1.
    """
    falling = max(0.0, min(1.0, done) - FULL_PART) / (1 - FULL_PART)
    cosine = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * falling)) / 2
    return min((step + 1) / WARM_UP, cosine)
