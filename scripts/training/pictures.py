"""Pictures of training samples and batches, with the network's predictions: a row per sample."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import denormalise
from dataset.training.sample import Sample
from util.palette import voc_palette

Picture = NDArray[np.uint8]  # H x W x 3
Masks = NDArray[np.float32]
Batch = dict[str, Any]  # batch of the data loader; at most six samples are drawn

MOST_SAMPLES = 6
CAPTION_HEIGHT, GAP = 20, 4  # pixels
MASK_OPACITY = 0.6
POSITIVE, NEGATIVE = (40, 255, 40), (255, 40, 40)  # colours of scribbles

COLOURS = np.array(voc_palette(), np.float32).reshape(-1, 3)


def sample_grid(samples: Sequence[Sample]) -> Picture:
    """Draw samples of a propagation stage: three frames with their masks."""
    rows = []
    for sample in samples:
        masks = one_hot(sample["cls_gt"], 2)
        rows.append([painted(denormalise(rgb), mask) for rgb, mask in zip(sample["rgb"], masks, strict=True)])
    return captioned(rows, ("frame 0", "frame 1", "frame 2"))


def image_grid(batch: Batch, logits: Tensor) -> Picture:
    """Draw a batch of a propagation stage: the given mask, then predicted and true masks of frames 1 and 2.

    Args:
        batch: batch of a propagation stage.
        logits: logits of frames 1 and 2, `B x 2 x (K+1) x H x W`.
    """
    predicted = probabilities(logits)
    rows = []
    for i in range(min(len(logits), MOST_SAMPLES)):
        first, second, third = (denormalise(frame) for frame in batch["rgb"][i])
        true = one_hot(batch["cls_gt"][i], logits.shape[2] - 1)
        cells = [painted(first, true[0])]
        for frame, picture in enumerate((second, third)):
            cells += [painted(picture, predicted[i, frame]), painted(picture, true[frame + 1])]
        rows.append(cells)
    return captioned(
        rows, ("frame 0, given", "frame 1, predicted", "frame 1, true", "frame 2, predicted", "frame 2, true")
    )


def s2m_grid(batch: Batch, logits: Tensor | None = None) -> Picture:
    """Draw a batch of S2M: scribbles (green: positive, red: negative), previous and true mask, prediction.

    Args:
        batch: batch of `dataset.training.s2m_dataset`.
        logits: logits `B x 1 x 2 x H x W`; None draws no prediction.
    """
    masks = {"previous mask": batch["seg"].float().numpy(), "truth": batch["gt"].float().numpy()}
    if logits is not None:
        masks["predicted"] = probabilities(logits)[:, 0]
    rows = painted_rows(batch, masks)
    for row, rgb, planes in zip(rows, batch["rgb"], batch["srb"].numpy(), strict=False):
        scribbled = denormalise(rgb)
        for scribbles, colour in zip(planes, (POSITIVE, NEGATIVE), strict=True):
            scribbled[scribbles > 0] = colour
        row.insert(0, scribbled)
    return captioned(rows, ("scribbles", *masks))


def fusion_grid(batch: Batch, logits: Tensor | None = None, attention: Tensor | None = None) -> Picture:
    """Draw a batch of fusion: both masks, the attention of the first object, ground truth, prediction.

    Args:
        batch: batch of `dataset.training.fusion_dataset`.
        logits: logits `B x 1 x 3 x H x W`; None draws no prediction.
        attention: attention `B x 2 x 2 x H x W`; None draws none.
    """
    masks = {
        f"from {name}": np.concatenate([batch[key].numpy(), batch[f"{key}2"].numpy()], axis=1)
        for name, key in (("a", "seg1"), ("b", "seg2"))
    }
    if attention is not None:
        added, taken_away = attention[:, 0].cpu().numpy().swapaxes(0, 1)
        masks |= {"added": added[:, None], "taken away": taken_away[:, None]}
    masks["truth"] = one_hot(batch["cls_gt"], 2)
    if logits is not None:
        masks["predicted"] = probabilities(logits)[:, 0]
    return captioned(painted_rows(batch, masks), list(masks))


def painted_rows(batch: Batch, masks: Mapping[str, Masks]) -> list[list[Picture]]:
    """Draw each of the masks, `B x K x H x W`, over the pictures of a batch."""
    pictures = [denormalise(rgb) for rgb in batch["rgb"][:MOST_SAMPLES]]
    return [[painted(picture, each[i]) for each in masks.values()] for i, picture in enumerate(pictures)]


def one_hot(classes: Tensor, objects: int) -> Masks:
    """Return the masks `B x K x H x W` of classes `B x H x W`, without the background."""
    return np.stack([classes.numpy() == k for k in range(1, objects + 1)], axis=1).astype(np.float32)


def probabilities(logits: Tensor) -> Masks:
    """Return the objects' probabilities `B x T x K x H x W` from logits `B x T x (K+1) x H x W`."""
    prob = logits[:MOST_SAMPLES].float().softmax(dim=2)[:, :, 1:]
    return np.asarray(prob.cpu().numpy(), np.float32)


def painted(picture: Picture, masks: Masks) -> Picture:
    """Draw masks over a picture in the palette's colours, with the probability as opacity.

    Args:
        picture: RGB picture, `H x W x 3`.
        masks: probabilities of the objects 1 to K, `K x H x W`.
    """
    opacity = MASK_OPACITY * masks[..., None]  # K x H x W x 1
    colours = COLOURS[1 : len(masks) + 1, None, None]  # K x 1 x 1 x 3
    result = picture * (1 - opacity.sum(axis=0)) + (opacity * colours).sum(axis=0)
    return np.rint(result.clip(0, 255)).astype(np.uint8)


def captioned(rows: Sequence[Sequence[Picture]], columns: Sequence[str]) -> Picture:
    """Arrange pictures of one size in rows, with a caption above each column."""
    frame = ((0, GAP), (0, GAP), (0, 0))
    drawn = [
        np.concatenate([np.pad(cell, frame, constant_values=255) for cell in row], axis=1) for row in rows
    ]
    width = rows[0][0].shape[1] + GAP
    line = np.full((CAPTION_HEIGHT, width * len(columns), 3), 255, np.uint8)
    longest = max(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1, 1)[0][0] for text in columns)
    scale = min(0.5, (width - GAP) / longest)
    for column, text in enumerate(columns):
        corner = (column * width + GAP // 2, CAPTION_HEIGHT - 6)
        cv2.putText(line, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([line, *drawn])
