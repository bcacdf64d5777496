"""Soft aggregation of per-object probabilities (STM, ICCV 2019, section 3.4)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-7
HARDNESS = 1000  # factor of the logits for nearly one-hot probabilities


def aggregate_logits(prob: Tensor, dim: int = 0) -> Tensor:
    """Return logits of background and objects from independent object probabilities.

    The probability of the background is the product of (1 - p). All probabilities are clamped to [1e-7, 1 -
    1e-7] and turned into log-odds.

    Args:
        prob: probabilities in [0, 1], K objects along `dim`.
        dim: object dimension.

    Returns:
        Logits, K + 1 along `dim`, background first.
    """
    background = torch.prod(1 - prob, dim=dim, keepdim=True)
    return torch.cat([background, prob], dim=dim).clamp(EPSILON, 1 - EPSILON).logit()


def aggregate(prob: Tensor, dim: int = 0, hard: bool = False) -> Tensor:
    """Return probabilities of background and objects, which sum to one along `dim`.

    Args:
        prob: independent object probabilities, K along `dim`; e.g. `K x H x W`.
        dim: object dimension.
        hard: whether to return nearly 0 and 1, for given masks.

    Returns:
        Probabilities, K + 1 along `dim`, background first.
    """
    logits = aggregate_logits(prob, dim)
    return (logits * HARDNESS if hard else logits).softmax(dim)


def most_probable(prob: Tensor, labels: Sequence[int], size: tuple[int, int] | None = None) -> Tensor:
    """Return the label of the most probable channel of each pixel, after bilinear resizing to `size`.

    Channels are resized one at a time and compared with a running maximum, which saves memory.

    Args:
        prob: probabilities `(K+1) x h x w`; without `size` of any shape after the first dimension.
        labels: labels of the K+1 channels.
        size: (H, W) of the result; None keeps `h x w`.

    Returns:
        `H x W`, uint8 (int32 when a label exceeds 255).
    """
    best = _resize(prob[0], size)
    dtype = torch.uint8 if max(labels) < 256 else torch.int32
    result = torch.full_like(best, labels[0], dtype=dtype)
    for channel, label in zip(prob[1:], labels[1:], strict=True):
        candidate = _resize(channel, size)
        result.masked_fill_(candidate > best, label)
        best = torch.maximum(best, candidate)
    return result


def _resize(channel: Tensor, size: tuple[int, int] | None) -> Tensor:
    if size is None or size == tuple(channel.shape):
        return channel
    return F.interpolate(channel[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
