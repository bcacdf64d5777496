"""How long a one-shot fit trains, and the schedule of its learning rate."""

import math
import time

WARM_UP = 5  # steps with a growing rate: Adam's first ones change every weight as much as it allows
FULL_PART = 0.25  # of a round at the full rate; then the weights settle
LAST_RATE = 0.02  # of the rate, at the end

FIRST_STEPS = 500  # of the first round, where there is time
MORE_STEPS, MORE_RATE = 200, 0.5  # of each further round: its steps, and its part of the learning rate
GOOD = 0.8  # mean overlap on held-out samples with which a fit is done
LEAST_GROWTH = 0.01  # of the overlap in a round, for another one to follow


class Plan:
    """The length of one round of training: a number of steps or a time, whichever ends first.

    Args:
        steps: the number of steps; None for as many as there is time for.
        seconds: the time from now on.
    """

    def __init__(self, steps: int | None, seconds: float) -> None:
        self.steps = math.inf if steps is None else steps
        self.seconds = seconds
        self.start = time.perf_counter()

    def done(self, taken: int) -> float:
        """Return the part of the round that is over after a number of steps, 0 to 1."""
        passed = time.perf_counter() - self.start
        by_time = passed / self.seconds if self.seconds > 0 else 1.0
        return min(1.0, max(by_time, taken / self.steps))


def rate(step: int, done: float) -> float:
    """Return the factor of the learning rate: a warm-up, a while at 1, then half a cosine down.

    Args:
        step: counted from 0.
        done: part of the round that is over, 0 to 1.
    """
    falling = max(0.0, min(1.0, done) - FULL_PART) / (1 - FULL_PART)
    cosine = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * falling)) / 2
    return min((step + 1) / WARM_UP, cosine)
