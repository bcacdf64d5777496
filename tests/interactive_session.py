"""Two rounds of an interactive session, taken up where an earlier process was killed; started by a test."""

import argparse
from pathlib import Path

import numpy as np
import torch

from dataset.image_io import normalise
from model import InteractiveCore, PropagationNetwork
from model.interactive_state import STATE_FILE
from tests.conftest import GOLDEN
from tests.interactive_networks import filled, fusion_network
from util.files import atomic_path

CLIP = np.load(GOLDEN / "clip.npz")
FRAMES = [normalise(frame[:48, :80]) for frame in CLIP["frames"][:8]]
MASK = torch.from_numpy(CLIP["labels"][1, :48, :80])
GIVEN = {1: MASK, 6: MASK.roll(3, dims=1)}
NETWORK = filled(PropagationNetwork, "").to(memory_format=torch.channels_last)
FUSION = fusion_network()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("session", type=Path)
    parser.add_argument("result", type=Path)
    args = parser.parse_args()
    if (args.session / STATE_FILE).is_file():
        core = InteractiveCore.resume(args.session, NETWORK, FRAMES, FUSION)
    else:
        core = InteractiveCore(NETWORK, FRAMES, fusion=FUSION, mem_every=2, folder=args.session)
    for index, mask in GIVEN.items():
        if index not in core.state.given:
            core.give(index, mask)
        for frame in core.propagate():
            print(frame, flush=True)
    with atomic_path(args.result) as temporary:
        np.savez(temporary, *(core.prob(index).numpy() for index in range(len(FRAMES))))


if __name__ == "__main__":
    main()
