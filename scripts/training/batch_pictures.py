"""Pictures of training batches with the network's predictions."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import denormalise
from dataset.training.sample import Sample
from util.palette import voc_palette

Picture = NDArray[np.uint8]  # H x W x 3

SAMPLE_COLUMNS = ("frame 0", "frame 1", "frame 2")
COLUMNS = ("frame 0, given", "frame 1, predicted", "frame 1, true", "frame 2, predicted", "frame 2, true")
MOST_SAMPLES = 6
CAPTION_HEIGHT, GAP = 20, 4  # pixels
MASK_OPACITY = 0.6

COLOURS = np.array(voc_palette(), np.float32).reshape(-1, 3)


def paint(picture: NDArray[np.uint8], masks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw masks over a picture in the palette's colours, with the probability as opacity.

    Args:
        picture: `H x W x 3`.
        masks: `K x H x W`, probabilities of the objects 1 to K.
    """
    opacity = MASK_OPACITY * masks[..., None]  # K x H x W x 1
    colours = COLOURS[1 : len(masks) + 1, None, None]  # K x 1 x 1 x 3
    painted = picture * (1 - opacity.sum(axis=0)) + (opacity * colours).sum(axis=0)
    return np.rint(painted.clip(0, 255)).astype(np.uint8)


def sample_grid(samples: Sequence[Sample]) -> Picture:
    """Draw samples of a stage as rows of three frames, with their masks."""
    rows = []
    for sample in samples:
        classes = sample["cls_gt"].numpy()
        masks = np.stack([classes == k for k in (1, 2)], axis=1).astype(np.float32)
        rows.append([paint(denormalise(rgb), mask) for rgb, mask in zip(sample["rgb"], masks, strict=True)])
    return captioned(rows, SAMPLE_COLUMNS)


def image_grid(batch: dict[str, Any], logits: Tensor) -> NDArray[np.uint8]:
    """Draw a row per sample: the given mask, then predicted and true masks of each frame.

    Args:
        batch: batch of the data loader; at most six samples are drawn.
        logits: logits of frames 1 and 2, `B x 2 x (K+1) x H x W`.

    Returns:
        An RGB picture.
    """
    count = min(len(logits), MOST_SAMPLES)
    objects = logits.shape[2] - 1
    predicted = logits[:count].float().softmax(dim=2)[:, :, 1:].cpu().numpy()
    classes = batch["cls_gt"][:count].numpy()
    true = np.stack([classes == k for k in range(1, objects + 1)], axis=2).astype(np.float32)
    rows = []
    for sample in range(count):
        pictures = [denormalise(frame) for frame in batch["rgb"][sample]]
        cells = [
            paint(pictures[0], true[sample, 0]),
            paint(pictures[1], predicted[sample, 0]),
            paint(pictures[1], true[sample, 1]),
            paint(pictures[2], predicted[sample, 1]),
            paint(pictures[2], true[sample, 2]),
        ]
        rows.append(cells)
    return captioned(rows, COLUMNS)


def captioned(rows: Sequence[Sequence[Picture]], columns: Sequence[str]) -> Picture:
    """Arrange cells of one size in rows, with a caption above each column."""
    drawn = [np.concatenate([_framed(cell) for cell in row], axis=1) for row in rows]
    return np.concatenate([_captions(columns, rows[0][0].shape[1] + GAP), *drawn])


def _framed(cell: Picture) -> Picture:
    return np.pad(cell, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


def _captions(columns: Sequence[str], width: int) -> Picture:
    """Return the line of captions above columns of `width` pixels."""
    line = np.full((CAPTION_HEIGHT, width * len(columns), 3), 255, np.uint8)
    longest = max(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1, 1)[0][0] for text in columns)
    scale = min(0.5, (width - GAP) / longest)
    for column, text in enumerate(columns):
        at = (column * width + GAP // 2, CAPTION_HEIGHT - 6)
        cv2.putText(line, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return line
