"""Fit a network to the annotated frames of one video: a "one-shot fit".

For footage that is unlike anything the published weights have seen, or when there are none: the
network is trained from scratch (or from --load_network) on nothing but the given masks, on crops
that are moved, bent and coloured at random, as in training stage 0. It then knows how these objects
and this background look, and nothing else: it is of use for this video alone.
"""

import argparse
import time
from pathlib import Path

import torch
from torch.utils.data import default_collate

from dataset.annotated_frames import AnnotatedFrames, annotated_frames
from dataset.video_dataset import open_user_video
from model import PropagationNetwork
from model.checkpoint import load_weights, save_checkpoint
from model.training.from_scratch import initialise_from_scratch
from model.training.propagation_forward import PropagationForward
from model.training.trainer import Trainer
from util.device import add_device_flags, set_up_device
from util.errors import InputError, run_script
from util.flag_types import positive_float, positive_int
from util.hyper_para import crop_size
from util.progress import PartProgress
from util.ranks import Ranks

LEARNING_RATE = 2e-5
SCRATCH_SAMPLES = 16  # on which a start from scratch is normalised
WARM_UP = 5  # steps with a growing learning rate: Adam's first ones change every weight as much as it allows
LAST_PART = 0.25  # of the time, with a tenth of the learning rate: the masks settle


def main() -> None:
    """Parse the flags and fit."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.fit_first_frame",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--frames", type=Path, required=True, help="video file, or folder of pictures")
    add("--masks", type=Path, required=True, help="a PNG, or a folder of PNGs named after their frames")
    add("--output", type=Path, required=True, help="the weights, W.pth")
    add("--minutes", type=positive_float, default=3, help="time to train (default: %(default)s)")
    add("--iterations", type=positive_int, help="train for so many steps instead, whatever time they take")
    add("--size", type=positive_int, default=480, help="shorter side of the frames, as in propagate_video")
    add("--crop_size", type=crop_size, default=160, help="of a sample (default: %(default)s)")
    add("-b", "--batch_size", type=positive_int, default=2, help="default: %(default)s")
    add("--load_network", type=Path, help="start from these weights instead of from scratch")
    add("--lr", type=positive_float, default=LEARNING_RATE, help="learning rate (default: %(default)s)")
    add("--amp", action="store_true", help="reduced precision: faster on hardware that has it")
    add("--seed", type=int, default=0, help="of all randomness (default: %(default)s)")
    add_device_flags(add)
    fit(parser.parse_args())


def fit(args: argparse.Namespace) -> None:
    """Train until the time or the steps are over, then write the weights."""
    torch.manual_seed(args.seed)
    ranks = Ranks(set_up_device(args))
    video = open_user_video(args.frames, args.masks, short_side=args.size).forward
    frames = annotated_frames(video)
    if not frames:
        raise InputError(f"the masks in {args.masks} are empty: there is nothing to learn.")
    dataset = AnnotatedFrames(frames, args.crop_size, seed=args.seed)
    network = PropagationNetwork()
    if args.load_network is not None:
        load_weights(network, args.load_network)
    else:
        initialise_from_scratch(network, default_collate([dataset[i] for i in range(SCRATCH_SAMPLES)]))
    trainer = Trainer(PropagationForward(network.to(ranks.device), args.amp), ranks, lr=args.lr)

    first = SCRATCH_SAMPLES  # of the samples not seen yet
    start = time.perf_counter()
    with PartProgress("one-shot fit") as progress:
        while True:
            seconds = time.perf_counter() - start
            done = seconds / (60 * args.minutes)
            if args.iterations is not None:
                done = trainer.iteration / args.iterations
            if done >= 1:
                break
            warm = min(1, (trainer.iteration + 1) / WARM_UP)
            trainer.set_learning_rate(args.lr * (warm if done < 1 - LAST_PART else 0.1))
            batch = default_collate([dataset[first + i] for i in range(args.batch_size)])
            first += args.batch_size
            loss = trainer.step(batch).losses.sum().item()
            progress.show(min(done, 1), f"step {trainer.iteration}, loss {loss:.3f}")

    save_checkpoint(network.state_dict(), args.output)
    print(
        f"One-shot fit to {len(frames)} annotated frames of {args.frames}: {trainer.iteration} steps in "
        f"{seconds / 60:.1f} minutes, for this video alone, at --size {args.size}: {args.output}"
    )


if __name__ == "__main__":
    run_script(main)
