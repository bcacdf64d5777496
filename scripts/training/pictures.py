"""Pictures of batches, with the network's predictions: a row per sample."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import ImageDraw
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from dataset.image_io import MEAN, STD
from util.palette import voc_palette

Picture = NDArray[np.uint8]  # H x W x 3
Batch = dict[str, Any]  # batch of the data loader

CAPTION_HEIGHT, GAP = 20, 4  # pixels
MASK_OPACITY = 0.6
SCRIBBLES = torch.tensor([[40, 255, 40], [255, 40, 40]])[..., None, None] / 255  # positive, negative
COLOURS = torch.tensor(voc_palette()).view(-1, 3, 1, 1) / 255


def draw_image_grid(batch: Batch, logits: Tensor | None = None) -> Picture:
    """Draw a batch of a propagation stage: the given mask, then predicted and true masks of frames 1 and 2.

    Args:
        batch: batch of a propagation stage.
        logits: logits of frames 1 and 2, `B x 2 x (K+1) x H x W`; None draws no prediction.
    """
    frames = batch["rgb"].unbind(dim=1)
    true = one_hot(batch["cls_gt"]).unbind(dim=1)
    columns = {"frame 0, given": painted(frames[0], true[0])}
    for number in (1, 2):
        if logits is not None:
            columns[f"frame {number}, predicted"] = painted(
                frames[number], probabilities(logits[:, number - 1])
            )
        columns[f"frame {number}, true"] = painted(frames[number], true[number])
    return captioned(columns)


def draw_s2m_grid(batch: Batch, logits: Tensor | None = None) -> Picture:
    """Draw a batch of S2M: scribbles (green: positive, red: negative), previous and true mask, prediction.

    Args:
        batch: batch of `dataset.training.s2m_dataset`.
        logits: logits `B x 1 x 2 x H x W`; None draws no prediction.
    """
    scribbled = denormalised(batch["rgb"])
    for number, colour in enumerate(SCRIBBLES):
        scribbled = torch.where(batch["srb"][:, number, None] > 0, colour, scribbled)
    masks = {"previous mask": batch["seg"].float(), "truth": batch["gt"].float()}
    return captioned({"scribbles": scribbled, **over_pictures(batch, masks, logits)})


def draw_fusion_grid(batch: Batch, logits: Tensor | None = None) -> Picture:
    """Draw a batch of fusion: both masks, ground truth, prediction.

    Args:
        batch: batch of `dataset.training.fusion_dataset`.
        logits: logits `B x 1 x 3 x H x W`; None draws no prediction.
    """
    masks = {
        "from a": torch.cat([batch["seg1"], batch["seg12"]], dim=1),
        "from b": torch.cat([batch["seg2"], batch["seg22"]], dim=1),
        "truth": one_hot(batch["cls_gt"]),
    }
    return captioned(over_pictures(batch, masks, logits))


def over_pictures(batch: Batch, masks: dict[str, Tensor], logits: Tensor | None) -> dict[str, Tensor]:
    """Draw each of the masks `B x K x H x W`, and the prediction, over the pictures of a batch."""
    if logits is not None:
        masks["predicted"] = probabilities(logits[:, 0])
    return {name: painted(batch["rgb"], each) for name, each in masks.items()}


def one_hot(classes: Tensor) -> Tensor:
    """Return masks of the objects 1 and 2, `... x 2 x H x W`, from classes `... x H x W`."""
    return torch.stack([classes == 1, classes == 2], dim=-3).float()


def probabilities(logits: Tensor) -> Tensor:
    """Return the objects' probabilities `B x K x H x W` from logits `B x (K+1) x H x W`."""
    return logits.float().softmax(dim=1)[:, 1:].cpu()


def denormalised(images: Tensor) -> Tensor:
    """Return pictures of 0 to 1 from normalised ones, `B x 3 x H x W`."""
    return images * torch.as_tensor(STD).view(3, 1, 1) + torch.as_tensor(MEAN).view(3, 1, 1)


def painted(images: Tensor, masks: Tensor) -> Tensor:
    """Draw masks over pictures in the palette's colours, with the probability as opacity.

    Args:
        images: normalised pictures, `B x 3 x H x W`.
        masks: probabilities of the objects 1 to K, `B x K x H x W`.

    Returns:
        Pictures of 0 to 1, `B x 3 x H x W`.
    """
    opacity = MASK_OPACITY * masks[:, :, None]
    colours = COLOURS[1 : masks.shape[1] + 1]
    return denormalised(images) * (1 - opacity.sum(dim=1)) + (opacity * colours).sum(dim=1)


def captioned(columns: Mapping[str, Tensor]) -> Picture:
    """Arrange columns of pictures `B x 3 x H x W` of 0 to 1 in a grid, with a caption above each column."""
    cells = torch.stack(list(columns.values()), dim=1).flatten(0, 1).clamp(0, 1)
    grid = make_grid(cells, nrow=len(columns), padding=GAP, pad_value=1)
    grid = F.pad(grid, (0, 0, CAPTION_HEIGHT, 0), value=1)
    image = to_pil_image((grid * 255).round().byte())
    for number, text in enumerate(columns):
        ImageDraw.Draw(image).text((number * (cells.shape[-1] + GAP) + GAP, GAP), text, fill="black")
    return np.asarray(image)
