"""Dense correspondences between a source and a target picture.

Each column of the matrix W is the softmax, over the source positions, of their affinities to a target
position (the read of STM section 3.2, without top-k). The affinity is that of the source's memory key,
encoded with empty masks, and the target's query key. Any feature on the source grid, such as a point or a
region, is transferred to the target as feature @ W. W of two 4K pictures takes 4 GB, so only its column
normalisers are stored, and the needed rows are computed.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dataset.image_io import normalise
from model import memory
from model.network import PropagationNetwork
from model.padding import Padding, pad, padding_for
from util.errors import InputError

STRIDE = 16  # pixels per grid cell
TOP_MATCHES = 5  # a match is the centre of mass of up to this many best cells near the best one
NEAR = 1  # largest distance of these cells from the best one, in cells


@dataclass(frozen=True, eq=False)
class Features:
    """The key of one picture, and the positions of its grid.

    Grid positions are (row, column), with cell centres at whole numbers; picture positions are (x, y), with
    pixel centres at whole numbers.
    """

    key: Tensor  # 1 x (h*w) x 128
    size: tuple[int, int]  # H, W of the picture

    @property
    def padding(self) -> Padding:
        """Padding of the picture."""
        return padding_for(*self.size)

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the grid."""
        return -(-self.size[0] // STRIDE), -(-self.size[1] // STRIDE)

    def pixel_of(self, row: float, column: float) -> tuple[float, float]:
        """Return the picture position (x, y) of a grid position, clamped to the picture."""
        left, _, top, _ = self.padding
        x, y = (column + 0.5) * STRIDE - 0.5 - left, (row + 0.5) * STRIDE - 0.5 - top
        return min(max(x, 0.0), self.size[1] - 1.0), min(max(y, 0.0), self.size[0] - 1.0)

    def point(self, x: float, y: float) -> Tensor:
        """Return a point as a feature `h x w`: bilinear weights of its four cells, which sum to one."""
        left, _, top, _ = self.padding
        cell = (y + top + 0.5) / STRIDE - 0.5, (x + left + 0.5) / STRIDE - 0.5
        rows, columns = (
            1 - (torch.arange(count, device=self.key.device).float() - min(max(at, 0), count - 1)).abs()
            for count, at in zip(self.grid, cell, strict=True)
        )
        return rows.clamp_(min=0)[:, None] * columns.clamp_(min=0)

    def region(self, mask: NDArray[np.bool_]) -> Tensor:
        """Return a region as a feature `h x w`, the share of each cell; raise InputError for a wrong size."""
        if mask.shape != self.size:
            raise InputError(f"a region is {mask.shape}, its picture {self.size}: give a region of its size.")
        covered = torch.from_numpy(mask.astype(np.float32)).to(self.key.device)
        return F.avg_pool2d(pad(covered[None, None], self.padding), STRIDE)[0, 0]


@dataclass(frozen=True)
class Match:
    """A position in the target picture."""

    x: float
    y: float
    score: float  # in [0, 1]: share of the best cell's weight that comes from the selection


@torch.inference_mode()
def encode_source(network: PropagationNetwork, picture: NDArray[np.uint8]) -> Features:
    """Encode an RGB picture `H x W x 3` as a source: its memory key with an empty mask."""
    image = _prepared(network, picture)
    key, _ = network.encode_memory(image, image.new_zeros(1, 1, *image.shape[-2:]))
    return Features(key.float(), picture.shape[:2])


@torch.inference_mode()
def encode_target(network: PropagationNetwork, picture: NDArray[np.uint8]) -> Features:
    """Encode an RGB picture `H x W x 3` as a target: its query key."""
    key, _ = network.kv_q_f16(network.rgb_encoder(_prepared(network, picture))[0])
    return Features(memory.to_rows(key).float(), picture.shape[:2])


class Correspondence:
    """The matrix W of two pictures, which is never stored as a whole.

    Args:
        source: result of `encode_source`.
        target: result of `encode_target`, on the same device; the pictures may differ in size.
    """

    def __init__(self, source: Features, target: Features) -> None:
        self.source = source
        self.target = target
        self.normalisers: dict[float, Tensor] = {}

    @torch.inference_mode()
    def normaliser(self, temperature: float = 1.0) -> Tensor:
        """Return the logarithm of each column's sum before normalisation, `1 x M`; it is cached."""
        if temperature not in self.normalisers:
            source, target = self.source.key, self.target.key / temperature
            # into one tensor: small results kept between freed chunks would fragment the heap
            sums = target.new_empty(target.shape[:2])
            for start, scores in memory.affinity_chunks(source, target, _columns(source)):
                sums[:, start : start + scores.shape[1]] = scores.logsumexp(dim=-1)
            self.normalisers[temperature] = sums
        return self.normalisers[temperature]

    @torch.inference_mode()
    def transfer(self, feature: Tensor, temperature: float = 1.0) -> Tensor:
        """Transfer a feature to the target grid, `C x h' x w'`; rows of W for zeros are not computed.

        Args:
            feature: feature `C x h x w` on the source grid.
            temperature: divisor of the affinities, above 0; a lower one gives sharper columns of W.
        """
        flat = feature.flatten(1)
        rows = flat.any(dim=0).nonzero().squeeze(1)
        if not len(rows):
            return feature.new_zeros(feature.shape[0], *self.target.grid)
        source, values = self.source.key[:, rows], flat[:, rows].T
        normaliser = self.normaliser(temperature)
        moved = values.new_empty(1, normaliser.shape[1], values.shape[1])  # 1 x M x C
        for start, scores in memory.affinity_chunks(source, self.target.key / temperature, _columns(source)):
            chunk = slice(start, start + scores.shape[1])
            moved[:, chunk] = (scores - normaliser[:, chunk, None]).exp_() @ values
        return memory.to_map(moved, self.target.grid)[0]


def find_best_match(heat: Tensor, target: Features) -> Match:
    """Return the position in the target where a transferred feature is largest, finer than a cell.

    Args:
        heat: transferred feature `h' x w'` on the target grid, not negative.
        target: encoded target.
    """
    width = heat.shape[1]
    top = heat.flatten().topk(min(TOP_MATCHES, heat.numel()))
    values, rows, columns = top.values, top.indices // width, top.indices % width
    near = ((rows - rows[0]).abs() <= NEAR) & ((columns - columns[0]).abs() <= NEAR)
    values, rows, columns = values[near], rows[near], columns[near]
    total = values.sum().clamp(min=torch.finfo(values.dtype).tiny)
    row, column = (values * rows).sum() / total, (values * columns).sum() / total
    x, y = target.pixel_of(row.item(), column.item())
    return Match(x, y, values[0].item())


def _prepared(network: PropagationNetwork, picture: NDArray[np.uint8]) -> Tensor:
    """Normalise and pad a picture to `1 x 3 x H x W` on the network's device."""
    image = normalise(picture).to(next(network.parameters()).device, network.dtype)[None]
    return pad(image, padding_for(*picture.shape[:2])).contiguous(memory_format=torch.channels_last)


def _columns(source: Tensor) -> int:
    """Return the number of columns of W to compute at a time, which limits the memory."""
    return max(1, memory.chunk_numbers_on(source.device) // (source.shape[0] * source.shape[1]))
