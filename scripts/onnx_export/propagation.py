"""The propagation network in three parts, each of which becomes one ONNX graph.

They compute what `PropagationNetwork` and `model.memory.read` compute. Memory keys and values have a separate
dimension T for the remembered frames.
"""

import torch
from torch import Tensor, nn

from model.memory import affinity, log_kernel, to_rows
from model.modules import DecoderFrame
from model.network import PropagationNetwork, Query


class Encoder(nn.Module):
    """A part that encodes frames by the propagation network, in eval mode."""

    def __init__(self, network: PropagationNetwork) -> None:
        super().__init__()
        self.network = network


class EncodeQuery(Encoder):
    """Encodes a query frame, once for all objects."""

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode a frame.

        Args:
            image: `1 x 3 x H x W`, normalised, H = 16 h and W = 16 w.

        Returns:
            The key `1 x P x 128`, P = h w, float32; then the decoder's features of the frame: two of
            `1 x 512 x h x w`, one of `1 x 512 x 2h x 2w` and one of `1 x 256 x 4h x 4w`.
        """
        query = self.network.encode_query(image)
        return query.key.float(), *query.decoder.compress, query.decoder.skip_8, query.decoder.skip_4


class EncodeMemory(Encoder):
    """Encodes a frame with the masks of its objects for the memory."""

    def forward(self, image: Tensor, masks: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a frame for K objects.

        Args:
            image: normalised frame, `1 x 3 x H x W`.
            masks: probabilities of each object, `K x H x W`.
            others: for each object, the sum of the probabilities of all others, `K x H x W`; the
                single-object network does not read it.

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
    """Reads the memory and decodes the readout.

    Args:
        network: the propagation network, in eval mode.
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
        """Return mask logits `K x H x W`, float32, of K objects with T remembered frames each.

        Args:
            keys: memory keys, `K x T x P x 128`.
            values: memory values, `K x T x P x 512`.
            key: query key; like the next four, a result of `EncodeQuery`.
            compress_0: the frame's part of the decoder's first convolution.
            compress_1: the frame's part of the shortcut beside that convolution.
            skip_8: skip connection at stride 8.
            skip_4: skip connection at stride 4.
        """
        height, width = compress_0.shape[-2:]
        keys, values = keys.flatten(1, 2), values.flatten(1, 2)
        scores = affinity(keys, key)  # K x P x T*P
        if self.km_sigma is not None:
            queries = torch.arange(key.shape[1])
            scores = scores + log_kernel(scores.argmax(dim=1), queries, width, self.km_sigma)
        if self.top_k is None:
            readout = scores.softmax(dim=-1).to(values.dtype) @ values
        else:
            readout = top_k_readout(scores, values, self.top_k)
        frame = DecoderFrame((compress_0, compress_1), skip_8, skip_4)
        return self.network.decode(readout, Query(key, (height, width), frame)).squeeze(1)


def top_k_readout(scores: Tensor, values: Tensor, top_k: int) -> Tensor:
    """Return the softmax-weighted mean of the values at the k best positions of each query, `K x P x C`.

    Args:
        scores: affinities, `K x P x T*P`.
        values: memory values, `K x T*P x C`.
        top_k: number k of positions; with fewer positions, all count.
    """
    objects, positions, channels = values.shape
    best, chosen = scores.topk(torch.sym_min(top_k, positions), sorted=False)
    first = torch.arange(objects).view(-1, 1, 1) * positions
    rows = values.reshape(-1, channels)[chosen + first]  # K x P x k x C
    return (best.softmax(dim=-1).to(rows.dtype).unsqueeze(-2) @ rows).squeeze(-2)
