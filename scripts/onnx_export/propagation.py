"""The propagation network in three parts, each of which becomes one ONNX graph.

They compute what `PropagationNetwork` and `model.memory.read` compute. Memory keys and values keep the
remembered frames as a dimension of their own, T, by which the top-k read groups its positions.
"""

import torch
from torch import Tensor, nn

from model.memory import affinity, log_kernel, to_rows
from model.modules import DecoderFrame
from model.network import PropagationNetwork, Query


class EncodeQuery(nn.Module):
    """Encodes a frame that is to be segmented, once for all its objects."""

    def __init__(self, network: PropagationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode a frame.

        Args:
            image: `1 x 3 x H x W`, normalised, H = 16 h and W = 16 w.

        Returns:
            The key `1 x P x 128`, P = h w, float32; and what the decoder computes once per frame: twice
            `1 x 512 x h x w`, `1 x 512 x 2h x 2w` and `1 x 256 x 4h x 4w`.
        """
        query = self.network.encode_query(image)
        return query.key.float(), *query.decoder.compress, query.decoder.skip_8, query.decoder.skip_4


class EncodeMemory(nn.Module):
    """Encodes a frame with the masks of its objects, to be remembered."""

    def __init__(self, network: PropagationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, masks: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a frame for K objects.

        Args:
            image: `1 x 3 x H x W`, normalised.
            masks: `K x H x W`, the probabilities of each object.
            others: `K x H x W`, for each object the sum of the probabilities of all others. The single-object
                network does not read it.

        Returns:
            Keys `K x P x 128`, float32, and values `K x P x 512`.
        """
        network = self.network
        channels = [image.expand(masks.shape[0], -1, -1, -1), masks.unsqueeze(1)]
        if not network.single_object:
            channels.append(others.unsqueeze(1))
        encoded = network.mask_rgb_encoder(torch.cat(channels, dim=1).to(network.dtype))
        key, value = network.kv_m_f16(encoded)
        return to_rows(key).float(), to_rows(value)


class Segment(nn.Module):
    """Reads the memory and decodes what was read.

    Args:
        network: in eval mode.
        top_k: memory positions kept for each query position; None reads all.
        km_sigma: standard deviation of the KMN kernel in grid cells; None for no kernel.
    """

    def __init__(self, network: PropagationNetwork, top_k: int | None, km_sigma: float | None) -> None:
        super().__init__()
        self.network = network
        self.top_k = top_k
        self.km_sigma = km_sigma

    def forward(
        self,
        keys: Tensor,
        values: Tensor,
        key: Tensor,
        compress_0: Tensor,
        compress_1: Tensor,
        skip_8: Tensor,
        skip_4: Tensor,
    ) -> Tensor:
        """Segment K objects, of each of which T frames are remembered.

        Args:
            keys: `K x T x P x 128`.
            values: `K x T x P x 512`.
            key: of the query, as the next four from `EncodeQuery`.
            compress_0: what the frame adds to the first convolution of the decoder.
            compress_1: what it adds to the shortcut beside it.
            skip_8: the skip path at stride 8.
            skip_4: the skip path at stride 4.

        Returns:
            Mask logits `K x H x W`, float32.
        """
        height, width = compress_0.shape[-2:]
        scores = affinity(keys.flatten(1, 2), key)  # K x P x T*P
        if self.km_sigma is not None:
            queries = torch.arange(key.shape[1])
            scores = scores + log_kernel(scores.argmax(dim=1), queries, width, self.km_sigma)
        if self.top_k is None:
            readout = scores.softmax(dim=-1).to(values.dtype) @ values.flatten(1, 2)
        else:
            readout = top_k_readout(scores, values, self.top_k)
        frame = DecoderFrame((compress_0, compress_1), skip_8, skip_4)
        return self.network.decode(readout, Query(key, (height, width), frame)).squeeze(1)


def top_k_readout(scores: Tensor, values: Tensor, top_k: int) -> Tensor:
    """Return the mean of the values at the k best positions of each query, weighted by a softmax.

    The T positions of one grid cell are a group. The k best positions can only lie in the k groups with the
    greatest maxima, so that P + k T numbers are sorted for each query instead of T P. The result is exact.

    Args:
        scores: `K x P x T*P`.
        values: `K x T x P x C`.
        top_k: k; all positions where there are fewer.

    Returns:
        `K x P x C`.
    """
    objects, frames, cells, channels = values.shape
    groups = torch.sym_min(top_k, cells)
    grouped = scores.unflatten(-1, (frames, cells))
    kept = grouped.amax(dim=-2).topk(groups, sorted=False).indices  # K x P x groups
    candidates = grouped.gather(-1, kept.unsqueeze(-2).expand(-1, -1, frames, -1)).flatten(-2)
    best, chosen = candidates.topk(torch.sym_min(top_k, frames * cells), sorted=False)
    frame = chosen.div(groups, rounding_mode="floor")
    position = frame * cells + kept.gather(-1, chosen - frame * groups)
    first = torch.arange(objects).view(-1, 1, 1) * (frames * cells)
    rows = values.reshape(-1, channels)[position + first]  # K x P x k x C
    return (best.softmax(dim=-1).to(rows.dtype).unsqueeze(-2) @ rows).squeeze(-2)
