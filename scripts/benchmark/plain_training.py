"""Plain formulation of a training step for `benchmark train`.

It is the same step in ordinary PyTorch: NCHW float32, frames encoded one by one, each object encoded and
decoded alone with the whole decoder, a dense softmax read, the loss summed sample by sample, Adam without
options.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from model.aggregation import aggregate_logits
from model.network import PropagationNetwork
from model.training.trainer import WEIGHT_DECAY
from scripts.benchmark.plain_propagation import decode_plainly


class PlainTrainer:
    """Trains a two-object network, in training mode and NCHW, in place."""

    def __init__(self, network: PropagationNetwork, lr: float = 1e-5) -> None:
        self.network = network
        self.optimizer = torch.optim.Adam(network.parameters(), lr=lr, weight_decay=WEIGHT_DECAY)

    def step(self, batch: dict[str, Any]) -> float:
        """Take one step on a batch as `Trainer.step` takes it; return the loss of both frames."""
        rgb, masks = batch["rgb"], torch.cat([batch["gt"][:, 0], batch["sec_gt"][:, 0]], dim=1)
        selector, target = batch["selector"], batch["cls_gt"]
        first_memory = self._memorise(rgb[:, 0], masks)
        logits_1 = self._segment(rgb[:, 1], first_memory, selector)
        second_memory = self._memorise(rgb[:, 1], logits_1.softmax(dim=1)[:, 1:])
        both = [
            (torch.cat([first[0], second[0]], dim=2), torch.cat([first[1], second[1]], dim=2))
            for first, second in zip(first_memory, second_memory, strict=True)
        ]
        logits_2 = self._segment(rgb[:, 2], both, selector)

        loss = logits_1.new_zeros(())
        for frame, logits in enumerate((logits_1, logits_2), start=1):
            for sample in range(len(rgb)):
                channels = 3 if selector[sample, 1] > 0.5 else 2  # without a second object
                entropy = F.cross_entropy(logits[sample : sample + 1, :channels], target[sample, frame][None])
                loss = loss + entropy / len(rgb)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def _memorise(self, frames: Tensor, masks: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return for each object its key `B x 128 x hw` and value `B x 512 x hw`."""
        memory = []
        for own in range(masks.shape[1]):
            others = masks.sum(dim=1) - masks[:, own]
            with_masks = torch.cat([frames, masks[:, own, None], others[:, None]], dim=1)
            key, value = self.network.kv_m_f16(self.network.mask_rgb_encoder(with_masks))
            memory.append((key.flatten(2), value.flatten(2)))
        return memory

    def _segment(self, frames: Tensor, memory: list[tuple[Tensor, Tensor]], selector: Tensor) -> Tensor:
        """Return the aggregated logits `B x 3 x H x W` of one frame of each sample."""
        decoder = self.network.decoder
        f16, f8, f4 = self.network.rgb_encoder(frames)
        query_key, query_value = self.network.kv_q_f16(f16)
        probs = []
        for own, (key, value) in enumerate(memory):
            affinity = key.transpose(1, 2) @ query_key.flatten(2) / math.sqrt(key.shape[1])  # B x N x hw
            readout = (value @ affinity.softmax(dim=1)).view_as(query_value)
            skips = decoder.up_16_8.skip(f8), decoder.up_8_4.skip(f4)
            prob = decode_plainly(decoder, readout, query_value, *skips).sigmoid()[:, 0]
            probs.append(prob * selector[:, own, None, None])
        return aggregate_logits(torch.stack(probs, dim=1), dim=1)
