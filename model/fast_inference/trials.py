"""Short trials that decide how this processor computes: every choice that is made by measuring is made here.

The usual way is kept unless another takes clearly less time, so that processes on one machine rarely choose
differently. Where they must not, one gives its choices to the others.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

log = logging.getLogger(__name__)

LEAST_GAIN = 1.05  # of the other way, for it to be chosen
ROUNDS = 4  # the fastest of which counts

Way = Callable[[], object]
NamedWay = tuple[str, Callable[[], Way]]


class Trial(NamedTuple):
    """A trial that was made.

    Attributes:
        usual: the name of the usual way, and the seconds that it took.
        other: the same of the other way.
        chosen: the name of the way that was chosen.
    """

    usual: tuple[str, float]
    other: tuple[str, float]
    chosen: str


chosen: dict[str, str] = {}  # by the subject of the trial, which another process may have made
made: dict[str, Trial] = {}  # in this process


def choose(subject: str, usual: NamedWay, other: NamedWay, least_gain: float = LEAST_GAIN) -> str:
    """Return the name of the quicker of two ways; one trial a process decides.

    Args:
        subject: what is computed; different for different sizes.
        usual: its name, and what makes it ready.
        other: the same of the other way.
        least_gain: how many times as fast the other has to be.
    """
    if subject not in chosen:
        made[subject] = trial = compare(usual, other, least_gain)
        chosen[subject] = trial.chosen
        log.info(
            "%s: %s, by a trial (%s %.3g ms, %s %.3g ms).",
            *(subject, trial.chosen),
            *(trial.usual[0], 1e3 * trial.usual[1], trial.other[0], 1e3 * trial.other[1]),
        )
    return chosen[subject]


def compare(usual: NamedWay, other: NamedWay, least_gain: float) -> Trial:
    """Make a trial; arguments as for `choose`."""
    with torch.random.fork_rng(devices=[]):  # what is random in a run does not depend on trials
        ways = [prepare() for _, prepare in (usual, other)]
    seconds: tuple[list[float], list[float]] = ([], [])
    for way in ways:
        way()  # the first call sets libraries up
    for _ in range(ROUNDS):
        for way, taken in zip(ways, seconds, strict=True):
            start = time.perf_counter()
            way()
            taken.append(time.perf_counter() - start)
    least = [min(taken) for taken in seconds]
    chosen = other[0] if least[0] > least_gain * least[1] else usual[0]
    return Trial((usual[0], least[0]), (other[0], least[1]), chosen)


def choices() -> dict[str, str]:
    """Return what has been chosen, by subject, for `adopt` in another process."""
    return dict(chosen)


def adopt(choices: Mapping[str, str]) -> None:
    """Choose from now on what another process has chosen."""
    chosen.update(choices)
