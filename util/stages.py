"""The three training stages of MiVOS and how they differ."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Defaults of a training.

    Attributes:
        batch_size: of each process.
        iterations: of all of it.
        steps: iterations at which the learning rate is divided by ten.
    """

    batch_size: int
    iterations: int
    steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stage(Schedule):
    """Defaults of one training stage.

    Attributes:
        data: what it trains on.
        objects: in a sample, at most.
        narrow_again: fraction of the epochs after which the frames of a sample lie close again.
    """

    data: str = ""
    objects: int = 2
    narrow_again: float = 0.9


STAGES = (
    Stage(7, 300_000, (250_000,), data="static images", objects=1),
    Stage(4, 500_000, (450_000,), data="BL30K", narrow_again=0.8),
    Stage(4, 150_000, (125_000,), data="YouTubeVOS and DAVIS"),
)

FIRST_JUMP = 5  # frames


def max_jump_at(stage: Stage, epoch: int, epochs: int) -> int:
    """Return the bound of the gaps between the frames of a video sample in an epoch.

    The gaps grow step by step, and are as small as at first in the last epochs. The borders are whole epochs,
    rounded to even at half an epoch as the original does.

    Args:
        stage: of the training.
        epoch: from 0.
        epochs: of the whole run.
    """
    jump = FIRST_JUMP
    for fraction, later in ((0.1, 10), (0.2, 15), (0.3, 20), (0.4, 25), (stage.narrow_again, FIRST_JUMP)):
        if epoch >= round(fraction * epochs):
            jump = later
    return jump
