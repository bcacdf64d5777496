"""The training loss and the overlap that is reported with it."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from model.aggregation import most_probable

FINAL_FRACTION = 0.15


class Bootstrap(NamedTuple):
    """The plain mean at first; then only the hardest fraction of pixels counts, less and less of them."""

    start: float  # iterations up to which all count
    end: float  # from which the final fraction does


PROPAGATION_BOOTSTRAP = Bootstrap(20_000, 70_000)


def hard_fraction(iteration: int, bootstrap: Bootstrap = PROPAGATION_BOOTSTRAP) -> float:
    """Return p, the fraction of pixels that count: 1 up to the start, falling linearly to 0.15 at the end."""
    progress = (iteration - bootstrap.start) / (bootstrap.end - bootstrap.start)
    return 1 - (1 - FINAL_FRACTION) * min(max(progress, 0.0), 1.0)


def bootstrapped_cross_entropy(logits: Tensor, target: Tensor, fraction: float) -> Tensor:
    """Return the mean cross entropy of each picture's hardest pixels.

    Args:
        logits: `N x C x H x W`.
        target: `N x H x W`, class numbers below C.
        fraction: of the pixels of each picture, in (0, 1]; 1 is the plain mean.

    Returns:
        `N` losses.
    """
    pixels = F.cross_entropy(logits, target, reduction="none").flatten(1)
    if fraction < 1:
        pixels = pixels.topk(int(fraction * pixels.shape[1]), dim=1, sorted=False).values
    return pixels.mean(dim=1)


def frame_losses(
    logits: Tensor, target: Tensor, selector: Tensor | None, fraction: float, pooled: bool = False
) -> Tensor:
    """Return the loss of each segmented frame, averaged over the batch.

    Args:
        logits: `B x T x (K+1) x H x W`, aggregated, background first.
        target: `B x T x H x W`, class numbers.
        selector: `B x K`, 1 where a sample has that object and 0 where it has not; a channel without
            an object takes no part in the sample's softmax. None: all have all objects.
        fraction: of the pixels that count, see `hard_fraction`.
        pooled: take the hardest pixels of the whole batch, not of each picture.

    Returns:
        `T` losses.
    """
    if selector is not None:
        absent = F.pad(selector < 0.5, (1, 0), value=False)  # B x (K+1): there is always a background
        logits = logits.masked_fill(absent[:, None, :, None, None], -torch.inf)
    if pooled:  # one picture for each frame, as high as those of the batch together
        logits, target = logits.permute(1, 2, 0, 3, 4).flatten(2, 3), target.transpose(0, 1).flatten(1, 2)
        return bootstrapped_cross_entropy(logits, target, fraction)
    losses = bootstrapped_cross_entropy(logits.flatten(0, 1), target.flatten(0, 1), fraction)
    return losses.unflatten(0, target.shape[:2]).mean(dim=0)


def overlap(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Count the pixels in which prediction and truth agree, for an intersection over union.

    Args:
        logits: `B x T x (K+1) x H x W`, background first.
        target: `B x T x H x W`, class numbers.

    Returns:
        Intersection and union of each object over the whole batch, `K` each.
    """
    objects = torch.arange(1, logits.shape[2], device=logits.device).view(-1, 1)
    classes = most_probable(logits.movedim(2, 0), range(logits.shape[2]))  # B x T x H x W
    predicted = classes.flatten() == objects  # K x pixels
    true = target.flatten() == objects
    return (predicted & true).sum(dim=1), (predicted | true).sum(dim=1)
