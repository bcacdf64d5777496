"""A network that matches equal texture without training, for tests of correspondences.

With the golden weights the memory key and the query key of a picture are unrelated, as both encoders
are random. Here the memory side has the weights of the query side, and the mean of the keys, which
random convolutions make far larger than their differences, is taken off by the last bias.
"""

from functools import lru_cache

import cv2
import numpy as np
import torch

from dataset.image_io import normalise
from model import PropagationNetwork

TEXTURE_SCALES = (4, 8, 16, 32, 64)  # pixels
GAIN = 2  # of the keys, for maps with clear peaks


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A colourful picture, uint8 `height x width x 3`, with details of all sizes."""
    random = np.random.RandomState(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for scale in TEXTURE_SCALES:
        noise = random.standard_normal((height // scale + 2, width // scale + 2, 3)).astype(np.float32)
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return (127 + 55 * picture / picture.std()).clip(0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
@torch.no_grad()
def matching_network(network):
    """A copy of a network whose memory key equals its query key, centred on the keys of a texture."""
    state = network.state_dict()
    for name in state:
        if name.startswith("mask_rgb_encoder."):
            twin = state.get(name.removeprefix("mask_").replace(".layer1.", ".res2."))
            # biases of convolutions, which the query side does not have, are zero
            state[name] = torch.zeros_like(state[name]) if twin is None else twin
    unseen = torch.zeros(64, 2, 7, 7)  # masks make no difference
    state["mask_rgb_encoder.conv1.weight"] = torch.cat([state["rgb_encoder.conv1.weight"], unseen], dim=1)

    image = normalise(texture(160, 192))[None]
    mean = network.kv_q_f16(network.rgb_encoder(image)[0])[0].mean(dim=(0, 2, 3))
    state["kv_q_f16.key_proj.bias"] = GAIN * (state["kv_q_f16.key_proj.bias"] - mean)
    state["kv_q_f16.key_proj.weight"] = GAIN * state["kv_q_f16.key_proj.weight"]
    for name in state:
        if name.startswith("kv_m_f16."):
            state[name] = state[name.replace("kv_m_f16", "kv_q_f16")]
    matching = PropagationNetwork()
    matching.load_state_dict(state)
    return matching.to(memory_format=torch.channels_last).eval()
