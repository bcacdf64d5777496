"""The first part of training from scratch: keys alone, by the masks that the memory read carries."""

from collections.abc import Mapping

import torch
from torch import Tensor

from model.memory import to_rows
from model.modules import cat_frame_and_masks
from model.network import PropagationNetwork
from model.training.forward import TrainingForward, Truth
from model.training.propagation_forward import frames_and_given_masks
from scripts.one_shot.carried_masks import carried_logits
from util.device import amp_dtype


class KeyForward(TrainingForward):
    """Carries the masks of frame 0 of each sample to frames 1 and 2, without values and decoder.

    It trains both encoders and key heads; a sample takes a fifth of the work that it takes
    `PropagationForward`.

    Args:
        network: trained in place.
        amp: run the network (not the memory read) by autocast in reduced precision; weights stay float32.
    """

    network: PropagationNetwork

    def inputs(self, batch: Mapping[str, Tensor]) -> tuple[Tensor | None, ...]:
        """Return frames, masks of frame 0 and the selector; the batch is as for `PropagationForward`."""
        return frames_and_given_masks(batch)

    def truth(self, batch: Mapping[str, Tensor]) -> Truth:
        """Return the classes of frames 1 and 2, and which objects there are."""
        return Truth(batch["cls_gt"][:, 1:], batch.get("selector"))

    def forward(self, rgb: Tensor, masks: Tensor, selector: Tensor | None = None) -> Tensor:
        """Return aggregated logits of frames 1 and 2, `B x 2 x (K+1) x H x W`, background first.

        Args:
            rgb: `B x 3 x 3 x H x W` (sample, frame, colour), normalised; H and W multiples of 16.
            masks: `B x K x H x W`, the K objects on frame 0, 0 or 1.
            selector: `B x K`, 0 for an object that a sample has not. None: all samples have all objects.
        """
        network = self.network
        with torch.autocast(rgb.device.type, amp_dtype(rgb.device), enabled=self.amp):
            f16, _, _ = network.rgb_encoder(rgb[:, 1:].transpose(0, 1).flatten(0, 1))
            query_map = network.kv_q_f16.key_proj(f16)
            with_masks = cat_frame_and_masks(rgb[:, 0], masks, network.single_object)
            memory_key = to_rows(network.kv_m_f16.key_proj(network.mask_rgb_encoder(with_masks)))
        grid = (query_map.shape[-2], query_map.shape[-1])
        frames = to_rows(query_map).float().split(len(rgb))  # frame by frame, as they were put in
        carried = [carried_logits(memory_key.float(), [masks], key, grid, selector) for key in frames]
        return torch.stack(carried, dim=1)
