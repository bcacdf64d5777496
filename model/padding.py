"""Padding to the network's stride and back."""

import torch.nn.functional as F
from torch import Tensor

Padding = tuple[int, int, int, int]  # left, right, top, bottom


def padding_for(height: int, width: int, multiple: int = 16) -> Padding:
    """Return the padding of a picture to multiples of `multiple`; an odd pixel is at the right or bottom."""
    extra_h, extra_w = -height % multiple, -width % multiple
    left, top = extra_w // 2, extra_h // 2
    return left, extra_w - left, top, extra_h - top


def pad(x: Tensor, padding: Padding) -> Tensor:
    """Pad the last two dimensions with zeros."""
    return F.pad(x, padding)


def unpad(x: Tensor, padding: Padding) -> Tensor:
    """Remove the padding; returns a view."""
    left, right, top, bottom = padding
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]
