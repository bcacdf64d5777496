"""Short trials that choose the quicker of two ways to compute, for all choices by measurement.

The usual way stays unless the other is clearly quicker, so that processes on one machine rarely choose
differently. Where their choices must be equal, one process sends its choices to the others.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

log = logging.getLogger(__name__)

LEAST_GAIN = 1.05  # least speed-up with which the other way is chosen
ROUNDS = 5  # runs of each way; the fastest one after the first counts
LONG = 1.0  # seconds after which a trial ends, though not before the second run of each way

Way = Callable[[], object]
NamedWay = tuple[str, Callable[[], Way]]


class Trial(NamedTuple):
    """The result of a trial."""

    usual: tuple[str, float]  # name and seconds of the usual way
    other: tuple[str, float]  # name and seconds of the other way
    chosen: str  # name of the chosen way


chosen: dict[str, str] = {}  # chosen way by subject, also from trials of another process
made: dict[str, Trial] = {}  # trials of this process by subject


def choose(subject: str, usual: NamedWay, other: NamedWay, least_gain: float = LEAST_GAIN) -> str:
    """Return the name of the quicker of two ways; a process makes one trial per subject.

    Args:
        subject: description of the computation, with its size.
        usual: name of the usual way, and a function that prepares it.
        other: name of the other way, and a function that prepares it.
        least_gain: least speed-up with which the other way is chosen.
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
    """Make a trial; arguments as in `choose`."""
    with torch.random.fork_rng(devices=[]):  # random numbers of a run must not depend on trials
        ways = [prepare() for _, prepare in (usual, other)]
    seconds: tuple[list[float], list[float]] = ([], [])
    begin = time.perf_counter()
    for done in range(ROUNDS):
        for way, taken in zip(ways, seconds, strict=True):
            start = time.perf_counter()
            way()
            taken.append(time.perf_counter() - start)
        if done > 0 and time.perf_counter() - begin > LONG:
            break
    least = [min(taken[1:]) for taken in seconds]  # the first run sets libraries up
    chosen = other[0] if least[0] > least_gain * least[1] else usual[0]
    return Trial((usual[0], least[0]), (other[0], least[1]), chosen)


def choices() -> dict[str, str]:
    """Return the choices by subject, for `adopt` in another process."""
    return dict(chosen)


def adopt(choices: Mapping[str, str]) -> None:
    """Take over the choices of another process or of an earlier run."""
    chosen.update(choices)
