"""Schedules of the three training stages of the propagation network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Defaults of a training.

    Attributes:
        batch_size: samples per batch and process.
        iterations: number of iterations.
        steps: iterations at which the learning rate is divided by ten.
    """

    batch_size: int
    iterations: int
    steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stage(Schedule):
    """Defaults of one training stage.

    Attributes:
        data: names of the data sets.
        objects: largest number of objects in a sample.
        narrow_again: fraction of the epochs after which frame gaps are small again.
    """

    data: str = ""
    objects: int = 2
    narrow_again: float = 0.9


STAGES = (
    Stage(7, 300_000, (250_000,), data="static images", objects=1),
    Stage(4, 500_000, (450_000,), data="BL30K", narrow_again=0.8),
    Stage(4, 150_000, (125_000,), data="YouTubeVOS and DAVIS"),
)

FIRST_JUMP = 5  # largest gap between frames in the first and last epochs


def max_jump_at(stage: Stage, epoch: int, epochs: int) -> int:
    """Return the largest gap between the frames of a video sample in an epoch.

    Gaps grow in steps and are small again in the last epochs. Steps begin at whole epochs, rounded half to
    even as in the original.

    Args:
        stage: training stage.
        epoch: number of the epoch, from 0.
        epochs: number of epochs of the run.
    """
    jump = FIRST_JUMP
    for fraction, later in ((0.1, 10), (0.2, 15), (0.3, 20), (0.4, 25), (stage.narrow_again, FIRST_JUMP)):
        if epoch >= round(fraction * epochs):
            jump = later
    return jump
