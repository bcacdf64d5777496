"""How the learning rate of a fit runs, over its steps or its time."""

import math

WARM_UP = 5  # steps with a growing rate: Adam's first ones change every weight as much as it allows
FULL_PART = 0.25  # of the fit at the full rate
LAST_RATE = 0.02  # of the rate, at the end: the weights settle


def rate(step: int, done: float) -> float:
    """Return the factor of the learning rate: a warm-up, a while at 1, then half a cosine down.

    What is done may be a part of all steps or of the time there is: in either case the fit ends at the lowest
    rate, on a machine of any speed and however busy it gets.

    Args:
        step: counted from 0.
        done: part of the fit that is over, 0 to 1.
    """
    falling = max(0.0, min(1.0, done) - FULL_PART) / (1 - FULL_PART)
    cosine = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * falling)) / 2
    return min((step + 1) / WARM_UP, cosine)
