"""The training loss, and the overlap (IoU) that is logged with it."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from model.aggregation import most_probable

FINAL_FRACTION = 0.15


class Bootstrap(NamedTuple):
    """Schedule of the fraction of hardest pixels that count in the loss; at first all pixels count."""

    start: float  # iteration from which the fraction falls
    end: float  # iteration of the final fraction


PROPAGATION_BOOTSTRAP = Bootstrap(20_000, 70_000)


def hard_fraction(iteration: int, bootstrap: Bootstrap = PROPAGATION_BOOTSTRAP) -> float:
    """Return the fraction of pixels that count: 1 at first, then falling linearly to 0.15."""
    progress = (iteration - bootstrap.start) / (bootstrap.end - bootstrap.start)
    return 1 - (1 - FINAL_FRACTION) * min(max(progress, 0.0), 1.0)


def bootstrapped_cross_entropy(logits: Tensor, target: Tensor, fraction: float) -> Tensor:
    """Return the mean cross entropy of each picture's hardest pixels, `N`.

    Args:
        logits: logits `N x C x H x W`.
        target: class numbers below C, `N x H x W`.
        fraction: fraction of each picture's pixels, in (0, 1]; 1 is the plain mean.
    """
    pixels = F.cross_entropy(logits, target, reduction="none").flatten(1)
    if fraction < 1:
        pixels = pixels.topk(int(fraction * pixels.shape[1]), dim=1, sorted=False).values
    return pixels.mean(dim=1)


def frame_losses(
    logits: Tensor, target: Tensor, selector: Tensor | None, fraction: float, pooled: bool = False
) -> Tensor:
    """Return the loss of each of T segmented frames, averaged over the batch.

    Args:
        logits: aggregated logits `B x T x (K+1) x H x W`, background first.
        target: class numbers `B x T x H x W`.
        selector: `B x K`, 1 for an object that exists in the sample, else 0; missing objects take no part in
            the softmax. None when all objects exist.
        fraction: fraction of pixels that count, see `hard_fraction`.
        pooled: whether to take the hardest pixels of the whole batch, not of each picture.
    """
    if selector is not None:
        absent = F.pad(selector < 0.5, (1, 0), value=False)  # B x (K+1); the background always exists
        logits = logits.masked_fill(absent[:, None, :, None, None], -torch.inf)
    if pooled:  # the pictures of the batch as one high picture per frame
        logits, target = logits.permute(1, 2, 0, 3, 4).flatten(2, 3), target.transpose(0, 1).flatten(1, 2)
        return bootstrapped_cross_entropy(logits, target, fraction)
    losses = bootstrapped_cross_entropy(logits.flatten(0, 1), target.flatten(0, 1), fraction)
    return losses.unflatten(0, target.shape[:2]).mean(dim=0)


def count_overlap(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pixels of intersection and union with the ground truth, `K` each, over the whole batch.

    Args:
        logits: logits `B x T x (K+1) x H x W`, background first.
        target: class numbers `B x T x H x W`.
    """
    objects = torch.arange(1, logits.shape[2], device=logits.device).view(-1, 1)
    classes = most_probable(logits.movedim(2, 0), range(logits.shape[2]))  # B x T x H x W
    predicted = classes.flatten() == objects  # K x pixels
    true = target.flatten() == objects
    return (predicted & true).sum(dim=1), (predicted | true).sum(dim=1)
