"""Two rounds of an interactive session kept in a folder; started, killed and started again by a test."""

import argparse
from pathlib import Path

import numpy as np
import torch

from dataset.image_io import normalise
from model import InteractiveCore, load_network
from tests.conftest import GOLDEN

FRAMES = 8


def follow(core):
    for index in core.propagate():
        print(index, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weights", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    clip = np.load(GOLDEN / "clip.npz")
    frames = [normalise(frame[:48, :80]) for frame in clip["frames"][:FRAMES]]
    mask = torch.tensor(clip["labels"][1, :48, :80])
    network = load_network(args.weights)
    if (args.folder / "state.json").is_file():
        core = InteractiveCore.resume(args.folder, network, frames)
        follow(core)
    else:
        for path in args.folder.glob("*"):  # killed before anything was given
            path.unlink()
        core = InteractiveCore(network, frames, mem_every=2, folder=args.folder)
    for index, given in ((1, mask), (6, mask.roll(3, dims=1))):
        if index not in core.state.given:
            core.give(index, given)
        follow(core)
    torch.save([core.prob(index) for index in range(FRAMES)], args.output)


if __name__ == "__main__":
    main()
