"""Pictures of samples and batches of the scribble-to-mask and fusion networks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import denormalise
from scripts.training.batch_pictures import MOST_SAMPLES, Picture, captioned, paint

POSITIVE, NEGATIVE = (40, 255, 40), (255, 40, 40)  # colours of scribbles
S2M_COLUMNS = ("scribbles", "previous mask", "truth")
MASKS, ATTENTION, TRUTH, PREDICTED = ("from a", "from b"), ("added", "taken away"), "truth", "predicted"

Batch = dict[str, Any]


def s2m_grid(batch: Batch, logits: Tensor | None = None) -> Picture:
    """Draw a row per sample: scribbles (green: positive, red: negative), masks, and prediction.

    Args:
        batch: batch of `dataset.training.s2m_dataset`; at most six samples are drawn.
        logits: logits `B x 1 x 2 x H x W`; None draws no prediction.
    """
    rows = []
    predicted = None if logits is None else probabilities(logits)
    for i in range(min(len(batch["rgb"]), MOST_SAMPLES)):
        picture = denormalise(batch["rgb"][i])
        scribbled = picture.copy()
        for scribbles, colour in zip(batch["srb"][i].numpy(), (POSITIVE, NEGATIVE), strict=True):
            scribbled[scribbles > 0] = colour
        cells = [scribbled, *(paint(picture, batch[name][i].float().numpy()) for name in ("seg", "gt"))]
        rows.append(cells + ([] if predicted is None else [paint(picture, predicted[i])]))
    return captioned(rows, S2M_COLUMNS + (() if logits is None else (PREDICTED,)))


def fusion_grid(batch: Batch, logits: Tensor | None = None, attention: Tensor | None = None) -> Picture:
    """Draw a row per sample: both masks, the attention of the first object, ground truth, and prediction.

    Args:
        batch: batch of `dataset.training.fusion_dataset`; at most six samples are drawn.
        logits: logits `B x 1 x 3 x H x W`; None draws no prediction.
        attention: attention `B x 2 x 2 x H x W`; None draws none.
    """
    rows = []
    names = [
        *MASKS,
        *(ATTENTION if attention is not None else ()),
        TRUTH,
        *((PREDICTED,) if logits is not None else ()),
    ]
    predicted = None if logits is None else probabilities(logits)
    for i in range(min(len(batch["rgb"]), MOST_SAMPLES)):
        picture = denormalise(batch["rgb"][i])
        masks = [
            np.concatenate([batch[name][i].numpy(), batch[name + "2"][i].numpy()])
            for name in ("seg1", "seg2")
        ]
        if attention is not None:
            masks += [part[None] for part in attention[i, 0].cpu().numpy()]
        classes = batch["cls_gt"][i].numpy()
        masks.append(np.stack([classes == 1, classes == 2]).astype(np.float32))
        if predicted is not None:
            masks.append(predicted[i])
        rows.append([paint(picture, mask) for mask in masks])
    return captioned(rows, names)


def probabilities(logits: Tensor) -> NDArray[np.float32]:
    """Return the objects' probabilities `B x K x H x W` from aggregated logits `B x 1 x (K+1) x H x W`."""
    return np.asarray(logits[:, 0].float().softmax(dim=1)[:, 1:].cpu().numpy(), np.float32)
