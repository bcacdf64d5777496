"""The forward pass of the propagation network's training, over three frames."""

from collections.abc import Mapping

import torch
from torch import Tensor

from model.aggregation import aggregate_logits
from model.memory import read
from model.modules import DecoderFrame
from model.network import PropagationNetwork, Query
from model.training.forward import TrainingForward, Truth
from util.device import amp_dtype


class PropagationForward(TrainingForward):
    """Segments frames 1 and 2 of each sample, given the masks of frame 0 (MiVOS section 3.2).

    Frame 0 is in memory with its true masks, frame 1 with its predicted masks, through which gradients flow;
    frame 2 reads both. All memory positions are read; top-k is for inference.
    The memory read is in float32 in any case.
    """

    network: PropagationNetwork

    def inputs(self, batch: Mapping[str, Tensor]) -> tuple[Tensor | None, ...]:
        """Return frames, masks of frame 0 and the selector.

        Args:
            batch: `rgb` `B x 3 x 3 x H x W`, `gt` `B x 3 x 1 x H x W`, `cls_gt` `B x 3 x H x W`; with two
                objects also `sec_gt` like `gt` and `selector` `B x 2`.
        """
        masks = [batch[name][:, 0] for name in ("gt", "sec_gt") if name in batch]
        return batch["rgb"], torch.cat(masks, dim=1), batch.get("selector")

    def truth(self, batch: Mapping[str, Tensor]) -> Truth:
        """Return the classes of frames 1 and 2, and the selector of existing objects."""
        return Truth(batch["cls_gt"][:, 1:], batch.get("selector"))

    def forward(self, rgb: Tensor, masks: Tensor, selector: Tensor | None = None) -> Tensor:
        """Return the aggregated logits of frames 1 and 2, `B x 2 x (K+1) x H x W`, background first.

        Args:
            rgb: normalised frames `B x 3 x 3 x H x W` (sample, frame, colour); H and W are multiples of 16.
            masks: masks of the K objects on frame 0, `B x K x H x W`, 0 or 1.
            selector: `B x K`, 0 for an object that does not exist in the sample, whose probability is then 0.
                None when all objects exist.
        """
        with torch.autocast(rgb.device.type, amp_dtype(rgb.device), enabled=self.amp):
            # Both query frames are encoded as one batch, ordered by frame.
            queries = self.network.encode_query(rgb[:, 1:].transpose(0, 1).flatten(0, 1))
            first, second = split(queries, len(rgb))

            memory = self.network.encode_memory(rgb[:, 0], masks)
            logits_1 = segment(self.network, memory, first, selector)

            predicted = logits_1.softmax(dim=1)[:, 1:]
            newer = self.network.encode_memory(rgb[:, 1], predicted)
            both = torch.cat([memory[0], newer[0]], dim=1), torch.cat([memory[1], newer[1]], dim=1)
            logits_2 = segment(self.network, both, second, selector)
        return torch.stack([logits_1, logits_2], dim=1)


def segment(
    network: PropagationNetwork, memory: tuple[Tensor, Tensor], query: Query, selector: Tensor | None
) -> Tensor:
    """Return aggregated logits `B x (K+1) x H x W` of one frame of each sample.

    Args:
        network: network that encoded memory and query.
        memory: memory keys and values, `(B*K) x positions x channels`.
        query: the B encoded query frames.
        selector: `B x K`, 0 for an object that does not exist in the sample; None when all objects exist.
    """
    batch = len(query.key)
    with torch.autocast(query.key.device.type, enabled=False):
        key, value = (rows.float() for rows in memory)
        query_key = query.key.float().repeat_interleave(len(key) // batch, dim=0)
        readout = read(key, value, query_key, width=query.grid[1])
    prob = network.decode(readout, query).sigmoid().squeeze(1).unflatten(0, (batch, -1))
    if selector is not None:
        prob = prob * selector[:, :, None, None]
    return aggregate_logits(prob, dim=1)


def split(query: Query, batch: int) -> list[Query]:
    """Split encoded frames into several queries of `batch` frames each."""
    compress = zip(*(half.split(batch) for half in query.decoder.compress), strict=True)
    skips = zip(query.decoder.skip_8.split(batch), query.decoder.skip_4.split(batch), strict=True)
    return [
        Query(key, query.grid, DecoderFrame(halves, *skip))
        for key, halves, skip in zip(query.key.split(batch), compress, skips, strict=True)
    ]
